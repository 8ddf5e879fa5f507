#!/bin/sh
# Create .venv with a Python of 3.11 to 3.13 and install exactly what requirements.lock says, then this package.
# Does nothing when that has been done and nothing has changed since.
set -eu
cd "$(dirname "$0")/.."

suits='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))'
fail() { echo "error: $1" >&2; exit 1; }

chosen=
if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || fail "there is no $PYTHON; KillReport needs Python 3.11, 3.12 or 3.13"
    "$PYTHON" -c "$suits" 2>/dev/null || fail "$PYTHON is $("$PYTHON" --version 2>&1); KillReport needs Python 3.11, 3.12 or 3.13"
    chosen=$PYTHON
else
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c "$suits" >/dev/null 2>&1; then chosen=$candidate; break; fi
    done
    [ -n "$chosen" ] || fail "KillReport needs Python 3.11, 3.12 or 3.13, and none was found ($(python3 --version 2>&1 || true)); install one, or name it: make run PYTHON=/path/to/python3.12"
fi

case "$("$chosen" -c 'import platform, sys; print(sys.platform, platform.libc_ver()[0] or "other")')" in
    "linux glibc" | darwin*) ;;
    linux*) fail "this Linux has no glibc (musl, as in Alpine?): the embedded PostgreSQL has no wheel for it; use a glibc distribution" ;;
    *) fail "KillReport runs on Linux and macOS; on Windows use WSL" ;;
esac

version=$("$chosen" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
stamp="$version $(cat requirements.lock setup.cfg setup.py pyproject.toml | cksum) $(pwd)"
if [ -f .venv/installed ] && [ "$(cat .venv/installed)" = "$stamp" ]; then exit 0; fi

echo "installing into .venv (Python $version): 1.2 GB, about a minute …"
while sleep 2; do printf .; done &
dots=$!
trap 'kill "$dots" 2>/dev/null || true; echo' EXIT
if ! "$chosen" -m venv --clear .venv 2>/dev/null; then
    fail "$chosen cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv"
fi
# The lock is complete: nothing is resolved, every file's hash is checked. pip compiles the bytecode.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -m pip check --disable-pip-version-check >/dev/null || fail "the installed packages do not fit together: .venv/bin/python -m pip check"
.venv/bin/python -m compileall -q killreport_assets
echo "$stamp" > .venv/installed
