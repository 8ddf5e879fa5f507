#!/bin/sh
# Build the image: the wheel and the list of its parts (CycloneDX) first, then deploy/Containerfile.
# BUILDER is the command that builds, BASE another base image, TAG the image's name.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/requirements.lock
rm -rf dist
.venv/bin/python -m build --wheel --no-isolation --outdir dist . >/dev/null
.venv/bin/cyclonedx-py requirements requirements-runtime.lock --output-format JSON --output-file dist/sbom.json
set -- --file deploy/Containerfile --tag "${TAG:-killreport}"
if [ -n "${BASE:-}" ]; then set -- "$@" --build-arg "BASE=$BASE"; fi
# shellcheck disable=SC2086 - a command and its options
exec ${BUILDER:-podman build --format docker} "$@" .
