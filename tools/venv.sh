#!/bin/sh
# Makes .venv and installs the pinned packages of requirements/$1.txt and this checkout into it.
# Needs python3 (3.11+) and nothing else: where python3 comes without ensurepip (a bare Debian), pip is taken out of
# Debian's package of it, without installing that package, so root is not needed.
set -eu
cd "$(dirname "$0")/.."
set_name=$1
python=${PYTHON:-python3}

fail() { printf 'tautwire: %s\n' "$1" >&2; exit 1; }

pip_wheel_from_apt() { # pip_wheel_from_apt DIR: prints the path of the wheel
    apt="apt-get -q -o Dir::State::lists=$1/lists -o Dir::Cache=$1/cache -o APT::Sandbox::User=$(id -un)"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    { $apt update && cd "$1" && $apt download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb root; } >"$1/log" 2>&1 ||
        { cat "$1/log" >&2; return 1; }
    ls "$1"/root/usr/share/python-wheels/pip-*.whl
}

command -v "$python" >/dev/null || fail "python3 was not found: install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: Python 3.11 or newer is needed (name another with PYTHON=python3.12 make …)"

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv .venv
    elif command -v apt-get >/dev/null; then
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        wheel=$(pip_wheel_from_apt "$scratch") || fail "pip could not be had: run 'apt-get install python3-venv' as root"
        "$python" -m venv --without-pip .venv
        .venv/bin/python "$wheel/pip" -q install "$wheel"
    else
        fail "this Python cannot make virtual environments: install its venv and ensurepip modules"
    fi
fi

echo "installing the packages of requirements/$set_name.txt into .venv" >&2
pip=".venv/bin/python -m pip --disable-pip-version-check -q"
$pip install --require-hashes -r "requirements/$set_name.txt"
$pip install --no-deps --no-build-isolation -e .
touch ".venv/.$set_name"
