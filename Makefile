# From a bare clone: `make demo`, `make test`. No other step.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests of one file run in one process, two files at once; one thread each, else two processes slow each other down.
# tests/conftest.py says which files begin.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest --numprocesses $(WORKERS) \
	--dist loadfile --no-loadscope-reorder
export DO_NOT_TRACK := 1

.PHONY: help demo demo-modes test types unit prove bench docs docs-models format clean

help:
	@echo "make demo    install, train a LoRA on the included demo, say where the report is"
	@echo "make demo-modes  train the modes on the demo, check that each learns its condition (20 minutes)"
	@echo "make test    install, then style, types and tests"
	@echo "make prove   the long proofs: kills, processes, servers"
	@echo "make bench   the table of speeds"
	@echo "make docs    the tables of docs/modes.md and docs/references-and-masks.md, from the lists in code"
	@echo "make docs-models  the table of docs/models.md: every kind of model tried in every layout (minutes)"
	@echo "make format  write the code as \`make test\` wants it"
	@echo "make clean   remove what the demo wrote (not the installation)"

# A stamp says what is installed; it is older than a file that changes what should be.
$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) --editable ".[dev]"
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/ltx demo

demo-modes: $(VENV)/.installed
	$(BIN)/ltx demo-modes

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs=2 types unit  # types are one core's work

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev
	$(PYTEST) -m "not prove"

# Proofs wait much for processes and servers: one more of them at once than cores.
prove: WORKERS = 3
prove: $(VENV)/.installed-dev
	$(PYTEST) -m prove

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.bench

docs: $(VENV)/.installed
	$(BIN)/python -m ltx_core.config.modes_table
	$(BIN)/python -m ltx_core.config.kinds_tables

docs-models: $(VENV)/.installed-dev
	PYTHONPATH=tests $(BIN)/python -m zoo.page

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf workspace outputs
