"""Workspace files: where Dagster's programs find the code locations.

That of the project, workspace.yaml, makes each program start code servers of its own; those written here name servers.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from killreport_assets.base.files import project_file, replace_file
from killreport_assets.settings import Settings

WORKSPACE = project_file("workspace.yaml")


def code_locations() -> dict[str, str]:
    """The modules of workspace.yaml by the names of their code locations."""
    locations = yaml.safe_load(WORKSPACE.read_text())["load_from"]
    modules = [location["python_module"] for location in locations]
    return {module["location_name"]: module["module_name"] for module in modules}


def workspace_file(settings: Settings) -> Path:
    """The file to give to Dagster's programs: written for KILLREPORT_CODE_SERVERS, else the project's own."""
    if not settings.operator.code_servers:
        return WORKSPACE
    servers: dict[str, dict[str, str | int]] = {}
    for name, address in settings.operator.code_servers.items():
        host, _, port = address.rpartition(":")
        servers[name] = {"host": host.strip("[]"), "port": int(port)}
    file = settings.home / "dagster" / "workspace-servers.yaml"
    write_workspace(file, servers)
    return file


def write_workspace(file: Path, servers: Mapping[str, Mapping[str, str | int]]) -> None:
    """Write a workspace file; `servers` has a code server's socket, or host and port, by its code location."""
    load_from = [{"grpc_server": {**server, "location_name": name}} for name, server in servers.items()]
    replace_file(file, "# Written by KillReport at every start.\n" + yaml.safe_dump({"load_from": load_from}))
