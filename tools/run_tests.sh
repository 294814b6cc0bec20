#!/usr/bin/env bash
# Runs the tests; arguments go to pytest, and paths among them start at the checkout:  tools/run_tests.sh tests/refine -k walk
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/setup.sh"

cd "$root"
exec "$venv/bin/python" -m pytest "$@"
