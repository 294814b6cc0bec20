#!/usr/bin/env bash
# Runs one stage, or all of them:  tools/run_stage.sh seeds|refine|segment|all DATASET [options]   (--help lists them)
# GPUS=N starts N processes, one for each GPU.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/setup.sh"

# The installed script and not `python -m`: that would import a folder `seeds` of the caller's in place of ours.
case ${GPUS:-1} in
    1) exec "$venv/bin/wsss" run "$@" ;;
    *[!0-9]* | 0*) stop "expected GPUS to be a whole number from 1 on, got '$GPUS': correct it" 2 ;;
    *) exec "$venv/bin/torchrun" --standalone --nproc_per_node "$GPUS" "$venv/bin/wsss" run "$@" ;;
esac
