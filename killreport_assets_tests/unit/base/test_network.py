"""No proxy between us and loopback."""

import os
import urllib.request

import pytest
import requests.utils

from killreport_assets.base.network import NO_GRPC_PROXY, never_proxy_loopback

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "no_proxy", "no_grpc_proxy")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, "")  # so that it is restored afterwards
            monkeypatch.delenv(spelling)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")


@pytest.mark.parametrize("host", ["localhost:8650", "127.0.0.1:8650", "[::1]:8650", "127.0.0.2"])
def test_requests_reach_loopback_without_a_proxy(host: str) -> None:
    assert requests.utils.get_environ_proxies(f"http://{host}/")
    never_proxy_loopback()
    assert requests.utils.get_environ_proxies(f"http://{host}/") == {}
    assert requests.utils.get_environ_proxies("http://esi.evetech.net/")["http"] == "http://127.0.0.1:9"


@pytest.mark.parametrize("host", ["localhost:8650", "127.0.0.1:8650"])
def test_urllib_reaches_loopback_without_a_proxy(host: str) -> None:
    assert not urllib.request.proxy_bypass(host)
    never_proxy_loopback()
    assert urllib.request.proxy_bypass(host)
    assert not urllib.request.proxy_bypass("esi.evetech.net")


def test_what_the_operator_exempts_stays_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "db.example.org, .internal")
    monkeypatch.setenv(NO_GRPC_PROXY, "grpc.example.org")
    never_proxy_loopback()
    loopback = "localhost,127.0.0.1,127.0.0.0/8,::1"
    never_proxy_loopback()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == f"db.example.org,.internal,{loopback}"
    assert os.environ[NO_GRPC_PROXY] == f"grpc.example.org,{loopback}"


def test_all_hosts_stay_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    never_proxy_loopback()
    assert os.environ["no_proxy"] == "*"
