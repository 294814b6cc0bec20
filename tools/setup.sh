#!/usr/bin/env bash
# Sets up the environment on first use, and again when pyproject.toml changed or a set-up broke off half way.
# Run it, or source it: it then leaves $root (the checkout) and $venv (its virtual environment) behind.
#
#   PYTHON=/path/to/python   build on this interpreter instead of the first fitting one on PATH
#   WSSS_VENV=DIR            use this virtual environment instead of .venv in the checkout
#   LOCKED=1                 install the versions of requirements.lock, which passed the tests
#   WHEELS=DIR               install from this folder alone, without a network (docs/set-up.md)
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
venv=${WSSS_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$PWD/$venv

# stop MESSAGE [STATUS]: 1 where the work failed, 2 where the call was wrong.
stop() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-1}"
}

# Version of an interpreter such as 3.11; fails where there is none that runs.
python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# Name of an interpreter to build on.
find_python() {
    local candidate version seen="" incomplete=""
    # 3.11 first: the set of dependencies was found with it.
    local candidates=(python3.11 python3.12 python3.10 python3 python)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        version=$(python_version "$candidate") || continue
        case $version in
            3.10 | 3.11 | 3.12) ;;
            *) seen+="${seen:+, }$candidate is $version" && continue ;;
        esac
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
        incomplete=$candidate
    done
    [ -z "$incomplete" ] ||
        stop "expected the module venv in $incomplete, found none: install it (Debian: apt-get install python3-venv)"
    stop "expected Python >=3.10,<3.13, found none${seen:+ ($seen)}: install it or set PYTHON=/path/to/python"
}

make_venv() {
    local python options=()
    # A virtual environment whose Python is gone, too old or without pip is made anew; no other folder is emptied.
    if [ -e "$venv/pyvenv.cfg" ]; then
        case $("$venv/bin/python" -c 'import pip' 2>/dev/null && python_version "$venv/bin/python") in
            3.10 | 3.11 | 3.12) return ;;
        esac
        options=(--clear)
    fi
    python=$(find_python)
    "$python" -m venv ${options[@]+"${options[@]}"} "$venv" ||
        stop "expected '$python -m venv' to make $venv, it failed: read the lines above"
}

# Whether the environment holds what is $wanted; one with locked versions does for a call without LOCKED too.
is_set_up() {
    [[ "$(cat "$stamp" 2>/dev/null) " == "$wanted "* ]]
}

install_packages() {
    local wanted stamp=$venv/.wsss-setup options=()
    # The path belongs to it: scripts in a virtual environment name their interpreter by its absolute path.
    wanted=$({ printf '%s\n' "$root" "$venv" && cat "$root/pyproject.toml"; } | cksum)
    if [ -n "${LOCKED:-}" ]; then
        wanted+=" $(cksum <"$root/requirements.lock")"
        options+=(--constraint requirements.lock)
    fi
    ! is_set_up || return 0
    if [ -n "${WHEELS:-}" ]; then
        [ -d "$WHEELS" ] || stop "expected a folder of wheels at WHEELS=$WHEELS, found none: see docs/set-up.md" 2
        options+=(--no-index --find-links "$(cd "$WHEELS" && pwd)")
    fi

    # One set-up at a time; the lock is on the checkout's folder, so that no file is left behind.
    exec 9<"$root"
    if command -v flock >/dev/null; then flock 9; fi
    if ! is_set_up; then
        printf 'Setting up %s (about two minutes and 1.5 GB the first time; more with CUDA)\n' "$venv" >&2
        make_venv
        rm -f "$stamp"
        # On stderr: the output of the command that comes after is for programs.
        (cd "$root" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            ${options[@]+"${options[@]}"} -e '.[dev]') >&2 ||
            stop "expected 'pip install -e .[dev]' to finish in $venv, it failed: read the lines above and run again"
        printf '%s\n' "$wanted" >"$stamp"
    fi
    exec 9<&-
}

install_packages
