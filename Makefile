# Every target does its own set-up: `make run` on a fresh clone is enough. `make` alone lists the targets.
# PYTHON=python3.12 make …  chooses a Python; otherwise the first of 3.11 to 3.13 that is found.
.POSIX:
.DEFAULT_GOAL := help
VENV = .venv/bin
SQL = dbt_transforms/models dbt_transforms/tests killreport_assets/cli/queries
LOCK = uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

.PHONY: help install run dev test test-deploy lint format docs migration bench image clean lock

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' Makefile | expand -t 16

install: ## create .venv with the locked dependencies, bytecode compiled
	@scripts/install.sh

run: install ## take the sandbox's genuine killmails through the whole platform and print what came out
	@$(VENV)/killreport run

dev: install ## open the Dagster UI over the same data, with a feed that grows
	@$(VENV)/killreport dev

test: install ## provision what the tests need and run every test
	@scripts/provision.sh
	@$(VENV)/pytest $(PYTEST_ARGS)

test-deploy: install ## test what deploy/ has, and several daemons: what cannot be had here is reported as skipped
	@scripts/provision.sh nginx promtool
	@$(VENV)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/requirements.lock || \
		echo "the checkers of deploy/requirements.lock could not be installed: what they check is skipped"
	@$(VENV)/pytest killreport_assets_tests/deployment $(PYTEST_ARGS)

lint: install ## ruff, mypy, import-linter, codespell and sqlfluff
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-cache > .mypy_cache/imports.txt || { cat .mypy_cache/imports.txt; exit 1; }
	@$(VENV)/codespell
	@$(VENV)/sqlfluff lint $(SQL)

format: install ## let ruff and sqlfluff put the code into shape
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .
	@$(VENV)/sqlfluff fix --force $(SQL)

docs: install ## write what is generated from the dictionary, and dbt's documentation as a page that opens in any browser
	@$(VENV)/python -m killreport_assets.transforms.dictionary
	@$(VENV)/killreport dbt docs generate --static --quiet
	@echo "docs/metrics.md and $${KILLREPORT_HOME:-.killreport}/dbt/target/static_index.html"

migration: install ## write a migration for what changed in store/schema: make migration m="what it does"
	@$(VENV)/python scripts/new_migration.py $(m)

bench: install ## measure, and print ratios against a reference of the same run
	@scripts/provision.sh
	@$(VENV)/python -m benchmarks

image: install ## build the image of deploy/Containerfile: make image BASE=… BUILDER="podman build --format docker"
	@scripts/image.sh

clean: ## stop the embedded server and remove what was built; data in .killreport stays
	@if [ -x $(VENV)/killreport ]; then $(VENV)/killreport down; fi
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@if [ -d .killreport ]; then echo "data is kept in .killreport: remove that directory to start again"; fi

lock: install ## resolve both lock files again for all Pythons: everything, and what runs without the test tools (needs uv)
	@$(LOCK) --all-extras --output-file requirements.lock setup.cfg
	@$(LOCK) --constraint requirements.lock --output-file deploy/requirements.lock deploy/requirements.in
	@$(LOCK) --extra embedded --extra dbt --extra lake --extra celery --extra kubernetes --output-file requirements-runtime.lock --constraint requirements.lock setup.cfg
