"""The files of deploy/, by the programs that read them: systemd, compose, kustomize, hadolint, promtool."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import resolve_to_config_type, validate_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import DagsterK8sJobConfig
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from killreport_assets.base.files import PACKAGE
from killreport_assets.monitoring.health import check_health
from killreport_assets.monitoring.metrics import HealthCollector
from killreport_assets.settings import load_settings
from killreport_assets.settings.groups import Group
from killreport_assets_testing.platform import Platform

DEPLOY = PACKAGE.parent / "deploy"
BIN = Path(sys.executable).parent
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.*") if path.is_file())
SERVICES = [name.replace("@.", "@platform.") for name in UNITS if name.endswith(".service")]
MAX_EXPOSURE = 3.0
OVERLAYS = ("embedded-queues", "rabbitmq")
OWN_KINDS = {"Cluster", "RabbitmqCluster"}
"""Custom resources of operators, whose schemas no validator has."""


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{BIN}:/usr/bin:/usr/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed: {package}")
    return str(found)


def _run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that exists on every machine."""
    folder = tmp_path / "units"
    shutil.copytree(DEPLOY / "systemd", folder)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/killreport/bin/killreport", "/usr/bin/true"))
    return folder


def test_systemd_has_nothing_to_say_about_the_units(units: Path) -> None:
    analyze = _program("systemd-analyze", "Debian's systemd")
    paths = [str(units / name) for name in [*SERVICES, "killreport.target", "killreport-backup.timer"]]
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"}
    answer = _run(analyze, "verify", *paths, env=environment)
    assert (answer.returncode, answer.stderr) == (0, "")
    (units / "killreport-web.service").write_text("[Service]\nExecStart=/usr/bin/true\nRestartt=always\n")
    assert "Restartt" in _run(analyze, "verify", str(units / "killreport-web.service"), env=environment).stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_may_do_little(units: Path, service: str) -> None:
    analyze = _program("systemd-analyze", "Debian's systemd")
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"}
    answer = _run(analyze, "security", "--offline=true", str(units / service), env=environment)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer.stdout)
    assert exposure, answer.stderr
    assert float(exposure[1]) < MAX_EXPOSURE


@pytest.fixture
def composed(tmp_path: Path) -> Path:
    """The folder of compose, with secrets."""
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    (folder / "secrets").mkdir()
    for secret in yaml.safe_load((folder / "compose.yaml").read_text())["secrets"]:
        (folder / "secrets" / secret).write_text("x")
    return folder


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.rabbitmq.yaml")])
def test_compose_accepts_its_files_and_refuses_a_slip(composed: Path, files: tuple[str, ...]) -> None:
    compose = [_program("docker-compose", "make test-deploy"), "--env-file", str(composed / ".env.example")]
    for file in files:
        compose += ["--file", str(composed / file)]
    compose += ["--profile", "rabbitmq", "--profile", "proxy", "--profile", "alerts", "config"]
    answer = _run(*compose, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    services = json.loads(answer.stdout)["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert name == "proxy" or port["host_ip"] == "127.0.0.1", f"{name} is open"
        own = service["image"] == "killreport"
        assert not own or (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
    (composed / "compose.yaml").write_text((composed / "compose.yaml").read_text().replace("restart:", "restrat:"))
    assert _run(*compose, "--quiet").returncode != 0


def test_every_command_and_setting_that_is_named_exists() -> None:
    known = {f"KILLREPORT_{name.upper()}" for group in Group.__subclasses__() for name in group.model_fields}
    own = {"KILLREPORT_HOST", "KILLREPORT_IMAGE", "KILLREPORT_WEB", "KILLREPORT_UI"}
    """Variables of compose and of the proxy, not of the platform."""
    commands = set()
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock"):
        text = path.read_text()
        for name in re.findall(r"KILLREPORT_[A-Z_]+[A-Z]", text):
            assert name.removesuffix("_FILE") in known | own, f"{path.name}: {name}"
        commands |= set(re.findall(r"(?:bin/|command=)killreport ([a-z-]+)", text))
    assert len(commands) >= 8
    for command in commands:
        assert _run(str(BIN / "killreport"), command, "--help").returncode == 0, command


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_accepts_what_kustomize_makes(overlay: str) -> None:
    kubectl = _program("kubectl", "make test-deploy")
    validate = pytest.importorskip("kubernetes_validate", reason="make test-deploy installs it")
    made = _run(kubectl, "kustomize", str(DEPLOY / "kubernetes" / "overlays" / overlay))
    assert made.returncode == 0, made.stderr
    resources = [resource for resource in yaml.safe_load_all(made.stdout) if resource["kind"] not in OWN_KINDS]
    kinds = {resource["kind"] for resource in resources}
    assert kinds >= {"Deployment", "Service", "Job", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "ConfigMap"}
    for version in ("1.31", "1.33", "1.35"):
        for resource in resources:
            validate.validate(resource, version, strict=True)
    deployment = next(resource for resource in resources if resource["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessProb"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(deployment, "1.33", strict=True)


def test_the_chart_is_of_the_locked_version_and_serves_our_code_locations() -> None:
    text = (DEPLOY / "helm" / "values.yaml").read_text()
    lock = (PACKAGE.parent / "requirements-runtime.lock").read_text()
    assert re.search(r"--version ([0-9.]+)", text)[1] == re.search(r"^dagster==([0-9.]+)", lock, re.MULTILINE)[1]  # type: ignore[index]
    deployments = yaml.safe_load(text)["dagster-user-deployments"]["deployments"]
    locations = yaml.safe_load((PACKAGE.parent / "workspace.yaml").read_text())["load_from"]
    served = {one["name"]: one["codeServerArgs"][1] for one in deployments}
    assert served == {one["python_module"]["location_name"]: one["python_module"]["module_name"] for one in locations}


def test_the_charts_runs_are_pods_with_options_that_the_launcher_knows() -> None:
    chosen = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())["runLauncher"]
    assert chosen["type"] == K8sRunLauncher.__name__
    options = chosen["config"]["k8sRunLauncher"]
    written = {
        _snake(name): [one["name"] for one in value] for name, value in options.items()
    }  # as the chart writes it
    known = resolve_to_config_type(DagsterK8sJobConfig.config_type_run_launcher())  # type: ignore[no-untyped-call]
    required = {"service_account_name": "dagster", "instance_config_map": "dagster-instance"}
    assert validate_config(known, written | required).success
    assert not validate_config(known, {"env_config_map": ["killreport"]} | required).success


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda letter: f"_{letter[0].lower()}", name)


def test_hadolint_has_nothing_to_say_about_the_image() -> None:
    hadolint = _program("hadolint", "make test-deploy")
    answer = _run(hadolint, str(DEPLOY / "Containerfile"))
    assert (answer.returncode, answer.stdout) == (0, "")


def test_promtool_accepts_the_rules() -> None:
    answer = _run(_program("promtool", "Debian's prometheus"), "check", "rules", str(DEPLOY / "monitoring/alerts.yml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_rules_and_dashboard_are_about_metrics_that_exist(platform: Platform) -> None:
    registry = CollectorRegistry()
    registry.register(HealthCollector(check_health(load_settings())))
    known = set(re.findall(r"^# HELP (\S+)", generate_latest(registry).decode(), re.MULTILINE))
    known |= {"killreport_daemon_heartbeat_age_seconds", "killreport_runs_queued"}  # Dagster has not run in this test
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [panel["targets"][0]["expr"] for panel in panels]
    named = set(re.findall(r"killreport_\w+", " ".join(asked)))
    assert len(named) > 12
    assert named <= known
