#!/bin/sh
# Makes the virtual environment from the lock file. With --test-packages: makes sure instead
# of the Debian packages that tests use. Both install what is missing when we are root on
# Debian, and otherwise say what to install.
set -eu

PYTHON="${PYTHON:-python3}"
VENV="${VENV:-.venv}"

debian_packages() {
    [ $# -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing Debian packages: $*"
        apt-get update -qq >/dev/null || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "please install these packages first: $*" >&2
        exit 1
    fi
}

if [ "${1:-}" = --test-packages ]; then
    missing=""
    command -v strace >/dev/null 2>&1 || missing="$missing strace"
    command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light libnginx-mod-http-dav-ext"
    command -v logrotate >/dev/null 2>&1 || [ -x /usr/sbin/logrotate ] || missing="$missing logrotate"
    command -v curl >/dev/null 2>&1 || missing="$missing curl"
    command -v ps >/dev/null 2>&1 || missing="$missing procps"
    command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
    # shellcheck disable=SC2086 # a list of words
    debian_packages $missing
    exit 0
fi

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "nobreak needs Python 3.11 or newer; $PYTHON is $("$PYTHON" --version 2>&1 || echo missing)" >&2
    exit 1
fi
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || debian_packages python3-venv

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements/dev.lock
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --no-build-isolation -e .
