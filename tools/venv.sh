#!/bin/sh
# Makes .venv and installs the pinned packages of requirements/$1.txt and this checkout into it.
# Needs python3 (3.11+). Where python3 comes without ensurepip (a bare Debian), the python3-venv package is installed
# if that is possible without asking, else the command to run is printed.
set -eu
cd "$(dirname "$0")/.."
set_name=$1
python=${PYTHON:-python3}

fail() { printf 'tautwire: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "python3 was not found: install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: Python 3.11 or newer is needed (name another with PYTHON=python3.12 make …)"

if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && ! command -v uv >/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "installing python3-venv, which this Python needs to make a virtual environment" >&2
            { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3-venv; } >/dev/null 2>&1 ||
                fail "python3-venv could not be installed: apt-get install python3-venv"
        else
            fail "this Python cannot make virtual environments: run 'sudo apt-get install python3-venv' and try again"
        fi
    fi
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv .venv
    else
        uv venv -q --seed -p "$python" .venv
    fi
fi

echo "installing the packages of requirements/$set_name.txt into .venv" >&2
pip=".venv/bin/python -m pip --disable-pip-version-check -q"
$pip install --require-hashes -r "requirements/$set_name.txt"
$pip install --no-deps --no-build-isolation -e .
touch ".venv/.$set_name"
