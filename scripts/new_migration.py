"""Write a migration from the difference between store/schema/ and a migrated database: `make migration m="…"`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy.engine import make_url

from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import MIGRATIONS, SCHEMAS, alembic_config, head, migrate
from killreport_assets.store.schema import statistics, tables, users  # noqa: F401 - all tables are in the one metadata
from killreport_assets.store.schema.columns import metadata


def main() -> None:
    """Write the file and print its path."""
    message = " ".join(sys.argv[1:]).strip()
    if not message:
        sys.exit('say what the migration does: make migration m="add the column …"')
    with tempfile.TemporaryDirectory(prefix="killreport-migration-") as home:
        server = EmbeddedPostgres(Path(home))
        server.start()
        try:
            engine = make_engine(make_url(server.url("postgres", "psycopg")))
            migrate(engine)
            with engine.begin() as connection:
                config = alembic_config(connection)
                config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
                config.attributes["metadata"] = metadata
                config.attributes["include_name"] = lambda name, kind, _: kind != "schema" or name in SCHEMAS
                number = f"{int(head()) + 1:04}"
                command.revision(config, message, autogenerate=True, rev_id=number)
            engine.dispose()
        finally:
            server.stop()
    [written] = (MIGRATIONS / "versions").glob(f"v{number}_*.py")
    for arguments in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([str(Path(sys.executable).with_name("ruff")), *arguments, str(written)], check=False)
    sys.stdout.write(f"{written}\nread it, and move data by hand where it must be moved\n")


if __name__ == "__main__":
    main()
