"""`python -m killreport_assets.cli …`: the command `killreport` by another name."""

from killreport_assets.cli.main import main

if __name__ == "__main__":
    main()
