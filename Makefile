# `make demo` and `make test` set up what they need; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt

# A second run is instant: the stamps carry the checksum of what was installed.
LOCKED := $(VENV)/.locked-$(shell cksum < $(LOCK) | tr -s ' \t' '-')
LINKED := $(VENV)/.linked-$(shell cksum < pyproject.toml | tr -s ' \t' '-')
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PIP_INSTALL := $(PIP) install --quiet --root-user-action=ignore

# Tests that start processes share the machine with them, and wait for most of their time.
WORKERS ?= auto
PROCESS_WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest
PYTEST_ARGS ?=
MATRIX_ARGS ?=

FAST_TESTS := $(wildcard tests/unit tests/contract tests/simulation)
SLOW_TESTS := $(wildcard tests/integration tests/acceptance)

# Where it is set, each process would compile all of the code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-all test-fast test-slow matrix lint format check docs lock bench mutants clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(LOCKED) $(LINKED) ## a virtual environment in .venv with exactly what the lock names
	@:

# A shim that answers `command -v` may still not run, so each candidate has to prove itself.
$(VENV)/.python:
	@python=""; \
	for candidate in "$${PYTHON:-}" python3.12 python3.11 python3 python; do \
	    [ -n "$$candidate" ] || continue; \
	    "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	        >/dev/null 2>&1 && { python="$$candidate"; break; }; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "No usable Python 3.11 or 3.12 was found, and Steadfill runs on these two: install one with its venv" \
	         "module (Debian: apt install python3 python3-venv), or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	fi; \
	"$(BIN)/python" -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1 \
	    || { echo "Making $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear $(VENV); }; \
	touch $@

$(LOCKED): $(VENV)/.python
	@echo "Installing what $(LOCK) names (a minute or two, once)"
	@$(PIP_INSTALL) --require-hashes -r $(LOCK)
	@rm -f $(VENV)/.locked-* && touch $@

$(LINKED): $(LOCKED)
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.linked-* && touch $@

demo: setup ## orders, faults and a killed worker on this machine, then a verdict
	@$(BIN)/steadfill demo

test: test-fast test-slow matrix ## every layer: unit and contract, then integration and acceptance, then the fault matrix

test-all: export STEADFILL_TESTS = all
test-all: test ## the same with every variant of the long tests on every stack (tests/acceptance/at_length.py): about an hour

test-fast: setup
	$(PYTEST) $(FAST_TESTS) -n $(WORKERS) $(PYTEST_ARGS)

test-slow: setup
	$(PYTEST) $(SLOW_TESTS) -n $(PROCESS_WORKERS) --dist worksteal $(PYTEST_ARGS)

matrix: setup ## the quick part of the fault matrix: each stage killed on each stack, and a share of every other fault
	$(BIN)/python -m tests.matrix --quick $(MATRIX_ARGS)

lint: setup ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## ruff's formatter and its safe corrections
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## all of it

docs: setup ## write the pages that are made from tables: docs/venues.md
	$(BIN)/python -m ops.venues_page > docs/venues.md

lock: ## compile requirements/*.in anew; needs uv
	@command -v uv >/dev/null || { echo "uv compiles the lock and is not on this machine: pip install uv" >&2; exit 1; }
	for name in run dev; do \
	    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	        --no-annotate --no-header requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

bench: setup ## measure what the project promises to reach
	$(PYTEST) tests/bench -m bench -p no:xdist --timeout 600 -s $(PYTEST_ARGS)

mutants: setup ## put each seeded bug into a copy of the tree and see that its cells catch it
	$(BIN)/python -m tests.mutants $(MUTANTS_ARGS)

clean: ## caches and the virtual environment; never the state of a deployment
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
