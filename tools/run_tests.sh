#!/usr/bin/env bash
# Runs the tests in two processes; arguments go to pytest, and paths among them start at the checkout:
#   tools/run_tests.sh tests/refine -k walk
#   tools/run_tests.sh -n 0 --pdb          in one process, which a debugger needs
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/setup.sh"

cd "$root"
# Two processes of several threads each would wait for each other more than they work.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$venv/bin/python" -m pytest --numprocesses 2 --dist loadfile "$@"
