# `make help` lists the targets. WSSS_VENV=DIR uses another virtual environment than .venv.
SHELL := bash
VENV := $(if $(WSSS_VENV),$(WSSS_VENV),.venv)

.PHONY: help install fix check test test-all coverage trust mutants demo bench docs

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install:  ## set up the environment and the git hooks
	tools/setup.sh
	"$(VENV)/bin/pre-commit" install

fix:  ## format and repair what can be repaired
	tools/setup.sh
	"$(VENV)/bin/ruff" check --fix
	"$(VENV)/bin/ruff" format

check:  ## lint, types and the rules between packages
	tools/setup.sh
	"$(VENV)/bin/ruff" check
	"$(VENV)/bin/ruff" format --check
	"$(VENV)/bin/mypy"
	"$(VENV)/bin/lint-imports"

test:  ## the default tests: no GPU, no data needed
	tools/run_tests.sh

test-all:  ## the slow ones too
	tools/run_tests.sh -m "" --timeout 7200

coverage:  ## lines and branches of the packages that the default tests reach; fails below the share in pyproject.toml
	tools/run_tests.sh --cov --cov-report=term

trust:  ## faults of all kinds, in their long form: damages, kills, strangers (docs/trust.md)
	tools/run_tests.sh -m "" --timeout 7200 --hypothesis-profile=long tests/trust

mutants:  ## wrong lines in the method code, each of which a test must catch; MUTANT_WORKERS=N at a time
	tools/setup.sh
	"$(VENV)/bin/python" tests/trust/mutants.py

demo:  ## all three stages on the demo data
	tools/run_stage.sh all demo

bench:  ## every side-by-side measurement, one table of ratios; BENCH="--quick --write": small sizes, kept for docs
	tools/setup.sh
	"$(VENV)/bin/python" benchmarks $(BENCH)

docs:  ## the site in site/, with every link inside it checked
	tools/setup.sh
	NO_MKDOCS_2_WARNING=1 "$(VENV)/bin/mkdocs" build --strict
