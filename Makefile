# Needs git, make and Python 3.11 or newer with venv and pip; everything else is installed into .venv.
PYTHON ?= python3
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
VENV := .venv
BIN := $(VENV)/bin
LOCKS := $(wildcard requirements/*.txt)
# What .ci/plain-english looks at.
TEXTS := README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs audit tests benchmarks Makefile .ci .github config.example.toml
# A lock is complete: pip resolves nothing, and builds what has no wheel with the pinned tools. It shows errors only,
# because its warnings concern the settings of the machine.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install --no-deps --no-build-isolation --use-pep517
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: demo test test-all check check-locks check-packages check-faults check-install dist sbom format docs man bench bench-limits bench-pace bench-scale lock clean FORCE

demo: $(VENV)/run
	$(BIN)/webex-audit demo

# Some minutes on two cores; the mark slow has the rest of what `make check` tests.
test: $(VENV)/dev
	$(BIN)/pytest

# Tests each of PYTHONS that is installed, in a venv of its own.
test-all:
	@.ci/test-all $(VENV) $(PYTHONS)

check: $(VENV)/dev check-locks check-packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/plain-english $(TEXTS)
	$(BIN)/pytest -m "not faults and not install" --cov --cov-report=term

# Repeated only when a lock changes; skipped if the package index is not reachable.
check-locks: $(VENV)/locks-checked

# Looks for known vulnerabilities; says what can't be looked up.
check-packages: $(VENV)/dev
	@$(MAKE) --no-print-directory VENV=$(VENV)-supply $(VENV)-supply/supply >$(VENV)/supply.log 2>&1 || true
	@$(BIN)/python .ci/check-packages $(VENV)-supply/bin/pip-audit

# Installs the tool in every way that docs/install.md has, into empty venvs, and runs what its messages name: 10 minutes.
# Needs the package index.
check-install: $(VENV)/dev
	$(BIN)/pytest -m install

# Builds wheel and sdist of the last commit into dist/: the same bytes each time.
dist: $(VENV)/run
	@.ci/dist $(BIN)/python dist

# Lists the packages of the tool and the review, with versions and hashes (CycloneDX).
sbom:
	@$(MAKE) --no-print-directory VENV=$(VENV)-supply $(VENV)-supply/supply
	$(VENV)-supply/bin/python .ci/sbom $(VENV)-supply/bin/cyclonedx-py webex-audit.cdx.json

# Fails every system call of a run once, kills a hundred runs, and tries the long matrices whole: 15 minutes. Needs a C
# compiler.
check-faults: $(VENV)/dev
	$(BIN)/pytest -m faults -o faulthandler_timeout=3660

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Generates the tables of docs/datasets.md and the SQL of docs/sql from the schemas, the rules of docs/checks.md from
# their files, the keys of docs/configuration.md from the settings, docs/api-behavior.md from the rules for answers, docs/security-tests.md
# from the tests of attacks, and the manual page from the help. Makes docs/sample-report.html and, with Chromium, its picture.
docs: $(VENV)/dev
	$(BIN)/python docs/datasets.py
	$(BIN)/python docs/checks.py
	$(BIN)/python docs/configuration.py
	$(BIN)/python docs/api_behavior.py
	$(BIN)/python docs/reading.py
	$(BIN)/python docs/security_tests.py
	$(BIN)/python docs/man.py
	$(BIN)/python docs/sample_report.py

# Makes the manual page from the help of the commands; read it with: man data/share/man/man1/webex-audit.1
man: $(VENV)/dev
	$(BIN)/python docs/man.py

# Compares a whole run with its alternatives; benchmarks/results.md has the figures. Uses nginx if it is installed.
bench:
	@$(MAKE) --no-print-directory VENV=$(VENV)-bench $(VENV)-bench/bench
	$(VENV)-bench/bin/python benchmarks/speed.py

# Measures the pace against many kinds of limit in virtual time: a minute. docs/pace.md has the figures.
bench-limits: $(VENV)/dev
	$(BIN)/python benchmarks/limits.py

# Measures the pace in real time over real HTTP: 32 minutes. docs/pace.md has the figures.
bench-pace: $(VENV)/dev
	$(BIN)/python benchmarks/pace.py

# Compares the memory at a million workspaces with that at 20,000: half an hour and 10 GB of disk.
bench-scale: $(VENV)/dev
	$(BIN)/python benchmarks/scale.py

# Pins what pyproject.toml allows, with hashes, for every Python and platform. Keeps the pins that still fit;
# `make lock UPGRADE=--upgrade` takes the newest versions.
lock: $(VENV)/lock
	$(COMPILE) $(UPGRADE) --extra review --extra object-store --extra notify --group dev -o requirements/dev.txt pyproject.toml
	$(COMPILE) -c requirements/dev.txt --extra review --group build -o requirements/run.txt pyproject.toml
	$(COMPILE) -c requirements/dev.txt --extra review --extra object-store --extra notify --group build -o requirements/image.txt pyproject.toml
	$(COMPILE) $(UPGRADE) -c requirements/run.txt --extra review --group bench -o requirements/bench.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --group lock -o requirements/lock.txt
	$(COMPILE) $(UPGRADE) -c requirements/dev.txt --group supply -o requirements/supply.txt
	$(COMPILE) --group oldest-pip -o requirements/oldest-pip.txt

clean:
	rm -rf $(VENV) $(VENV)-* dist webex-audit-demo webex-audit.cdx.json .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# A venv belongs to one Python and one folder: if either has changed, it is made anew.
$(VENV)/python: FORCE
	@is=$$($(PYTHON) -c 'import os, sys; print(*sys.version_info, sys.base_prefix, os.getcwd()); sys.exit(sys.version_info < (3, 11))') || \
	  { echo "webex-audit needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }; \
	[ "$$is" = "$$(cat $@ 2>/dev/null)" ] || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && echo "$$is" >$@; }

# Each target is touched last, so an install that was cut off is repeated.
$(VENV)/run: requirements/run.txt pyproject.toml $(VENV)/python
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/dev $(VENV)/bench: $(VENV)/%: requirements/%.txt $(VENV)/run
	$(PIP) --require-hashes -r $<
	@touch $@

$(VENV)/image $(VENV)/lock $(VENV)/supply: $(VENV)/%: requirements/%.txt $(VENV)/python
	$(PIP) --require-hashes -r $<
	@touch $@

$(VENV)/locks-checked: $(LOCKS) pyproject.toml Makefile $(VENV)/python
	@.ci/check-locks $@
