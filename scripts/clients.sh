#!/bin/sh
# Makes the environments of the real clients that `make clients` drives, from their lock files.
# Node and npm are installed when they are missing and we are root on Debian.
set -eu

PYTHON="${PYTHON:-python3}"
CLIENTS="${CLIENTS:-.venv-clients}"

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing Debian packages: nodejs npm"
        apt-get update -qq >/dev/null || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
    else
        echo "please install these packages first: nodejs npm" >&2
        exit 1
    fi
fi

python_clients() { # environment, lock file
    [ -x "$1/bin/python" ] || "$PYTHON" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$2"
}

python_clients "$CLIENTS/plain" requirements/clients.lock
python_clients "$CLIENTS/fsspec" requirements/clients-fsspec.lock
npm ci --prefix tests/clients/node --ignore-scripts --no-audit --no-fund --silent
