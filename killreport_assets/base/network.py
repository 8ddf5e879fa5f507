"""Loopback addresses: never through a proxy, and whether a port is free. Requests to services are in http/."""

import os
import socket

LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
"""The range as well as its usual address: urllib reads names and addresses only."""

NO_GRPC_PROXY = "no_grpc_proxy"


def never_proxy_loopback() -> None:
    """Exempt loopback from every proxy of the environment, for this process and its children.

    urllib, requests and libcurl read `no_proxy` or `NO_PROXY`; gRPC reads `no_grpc_proxy` first, then `no_proxy`
    (https://grpc.github.io/grpc/core/md_doc_environment_variables.html).
    """
    exempt = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    exempt_of_grpc = os.environ.get(NO_GRPC_PROXY) or exempt
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = _with_loopback(exempt)
    os.environ[NO_GRPC_PROXY] = _with_loopback(exempt_of_grpc)


def is_port_free(port: int) -> bool:
    """Whether a server can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _with_loopback(hosts: str) -> str:
    """The hosts and loopback, comma-separated; `*` exempts every host, but only when it stands alone."""
    given = [host.strip() for host in hosts.split(",") if host.strip()]
    return "*" if "*" in given else ",".join(dict.fromkeys([*given, *LOOPBACK]))
