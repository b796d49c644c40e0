# Needs git, make and Python 3.11 or newer with venv and pip; all else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo test check format docs bench bench-pace bench-scale lock clean

demo: $(VENV)/run
	$(BIN)/webex-audit demo

test: $(VENV)/dev
	$(BIN)/pytest

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --cov --cov-report=term

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The tables of docs/datasets.md and the SQL of docs/sql, from the schemas; the rules of docs/checks.md, from their files.
docs: $(VENV)/dev
	$(BIN)/python docs/datasets.py
	$(BIN)/python docs/checks.py
	$(BIN)/python docs/reading.py

# A whole run beside what one would use instead; benchmarks/results.md has the figures. Uses nginx where it is.
bench: $(VENV)-bench/run
	$(VENV)-bench/bin/python benchmarks/speed.py

# Real time over real HTTP: 32 minutes; docs/pace.md has the figures.
bench-pace: $(VENV)/dev
	$(BIN)/python benchmarks/pace.py

# Memory at a million workspaces beside that at 20,000: half an hour and 10 GB of disk.
bench-scale: $(VENV)/dev
	$(BIN)/python benchmarks/scale.py

# The lock files: what pyproject.toml allows, pinned with hashes, for every Python and platform.
lock: $(VENV)/run
	$(PIP) install uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra review --extra object-store --group dev -o requirements/dev.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --constraint requirements/dev.txt --extra review --group build -o requirements/run.txt pyproject.toml

clean:
	rm -rf $(VENV) $(VENV)-bench webex-audit-demo .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "webex-audit needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: requirements/run.txt pyproject.toml | $(VENV)/python
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)-bench/run: benchmarks/requirements.txt requirements/run.txt pyproject.toml | $(VENV)/python
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/run.txt
	$(VENV)-bench/bin/pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	$(VENV)-bench/bin/pip --disable-pip-version-check --quiet install -r benchmarks/requirements.txt
	@touch $@
