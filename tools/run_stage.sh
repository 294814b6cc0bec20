#!/usr/bin/env bash
# Runs one stage, or all of them:  tools/run_stage.sh seeds|refine|segment|all DATASET [options]   (--help lists them)
# In N processes under torchrun, one per GPU (on CPUs where there is none):  GPUS=N tools/run_stage.sh ...
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/setup.sh"

# The installed script and not `python -m`: that would import a folder `seeds` of the caller's in place of ours.
exec "$venv/bin/wsss" run "$@"
