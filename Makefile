# Every target creates what it needs. Run `make` for the list.
.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-clients run-clients test-all coverage docs bench serve clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
FITS_CLIENTS = $(PYTHON) -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))'
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed
LUDWIG := .venv-ludwig
LUDWIG_STAMP := $(LUDWIG)/.installed
WORKERS ?= 2
DEMO ?= demo

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv with both distributions and the development tools

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt hatch_build.py engine/loops/*.c engine/loops/*.h
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
		--editable './client[cli]' --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## start a server on SQLite, declare, train and score a LeNet through HTTP
	$(BIN)/python scripts/demo.py --out $(DEMO)

check: $(STAMP) ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_wire.py --check
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/longest_functions.py

test: $(STAMP) ## the suite on SQLite and a real PostgreSQL, without the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"
	@$(MAKE) --no-print-directory test-clients MARKED="not slow"

test-clients: $(STAMP) ## swat and sas-dlpy as they are, in an environment of their own
	@if $(FITS_CLIENTS); then $(MAKE) --no-print-directory run-clients; \
	else echo "test-clients: skipped, the clients need Python 3.9 to 3.11"; fi

run-clients: $(CLIENTS_STAMP)
	$(CLIENTS)/bin/python -m pytest -c tests/clients/clients.ini --rootdir . \
		--confcutdir tests/clients tests/clients -m "$(MARKED)"

$(CLIENTS_STAMP): tests/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --requirement tests/clients/requirements.txt
	@touch $@

test-all: $(STAMP) ## everything, slow tests included
	$(BIN)/python -m pytest -n $(WORKERS)
	@$(MAKE) --no-print-directory test-clients

coverage: $(STAMP) ## the suite with line coverage, worker processes included
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term-missing:skip-covered

docs: $(STAMP) ## regenerate the reference pages and the SDK's layer types
	$(BIN)/python scripts/generate_wire.py
	$(BIN)/python scripts/generate_docs.py

bench: $(STAMP) $(BENCH_STAMP) $(LUDWIG_STAMP) ## measure against peers in the same run; one ratio a line
	$(BIN)/python benchmarks/run.py

$(BENCH_STAMP): benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# An environment of its own, since it holds versions of many packages; without it the others are
# measured all the same.
$(LUDWIG_STAMP): benchmarks/requirements-ludwig.txt
	$(PYTHON) -m venv $(LUDWIG)
	$(LUDWIG)/bin/python -m pip install --quiet --upgrade pip
	$(LUDWIG)/bin/python -m pip install --quiet --requirement $< || echo "Ludwig is left out"
	@touch $@

serve: $(STAMP) ## start a server on http://127.0.0.1:8080 with castorch.db here
	$(BIN)/castorch serve

clean: ## remove what the targets made
	rm -rf $(VENV) $(CLIENTS) $(BENCH) $(LUDWIG) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
