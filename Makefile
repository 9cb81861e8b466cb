# Python 3.11 or newer and make are all that is needed; uv is used when it is there.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
  if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
# pip older than 25.1 knows no dependency groups: it is brought up to date inside the environment first.
ifeq ($(UV),)
  INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
  VENV = $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
else
  INSTALL = $(UV) pip install --quiet --python $(BIN)/python
  VENV = $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
endif

.PHONY: demo test test-slow test-spark lint docs bench clean
.DEFAULT_GOAL := demo

.venv/made: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found: install it, or say make PYTHON=/path/to/python"; exit 2; }
	$(VENV)
	$(INSTALL) -e .
	@touch $@

.venv/test: .venv/made
	$(INSTALL) -e . --group test
	@touch $@

.venv/spark: .venv/test
	$(INSTALL) -e ".[spark]"
	@touch $@

.venv/lint: .venv/test
	$(INSTALL) -e . --group lint
	@touch $@

.venv/docs: .venv/made
	$(INSTALL) -e . --group docs
	@touch $@

.venv/bench: .venv/made
	$(INSTALL) -e . --group bench
	@touch $@

## the main job on real patients: ovarian-demo/out/report.html
demo: .venv/made
	$(BIN)/sequela demo ovarian

## every test that ends in a few minutes
test: .venv/test
	$(BIN)/python -m pytest

## the exhaustive runs: simulations of coverage and type I error, the null cohort
test-slow: .venv/test
	$(BIN)/python -m pytest -m slow

## lines on PySpark, in local mode (some 450 MB of pyspark; Java 17)
test-spark: .venv/spark
	$(BIN)/python -m pytest -m spark

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

## our engine and its peers in turn, in one run: docs/performance.md
bench: .venv/bench
	$(BIN)/python -m bench.survival

clean:
	rm -rf .venv dist docs/_build ovarian-demo sepher-demo
