"""The workspace file of the programs of a deployment: code servers by address, or those that each program starts."""

from pathlib import Path

import yaml

from killreport_assets.orchestration.instance import WORKSPACE
from killreport_assets.settings import Settings


def workspace_file(settings: Settings) -> Path:
    """The file to give to Dagster's programs: written for KILLREPORT_CODE_SERVERS, else the project's own."""
    servers = settings.operator.code_servers
    if not servers:
        return WORKSPACE
    locations = []
    for name, address in servers.items():
        host, _, port = address.rpartition(":")
        server = {"host": host.strip("[]"), "port": int(port), "location_name": name}
        locations.append({"grpc_server": server})
    file = settings.home / "dagster" / "workspace-servers.yaml"
    new = file.with_suffix(".new")
    new.write_text("# Written by KillReport at every start.\n" + yaml.safe_dump({"load_from": locations}))
    new.replace(file)
    return file
