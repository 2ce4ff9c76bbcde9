# Needs Python 3.11 or newer, make, and PyPI. Everything else is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BENCH := .venv-bench

.PHONY: help demo test cover quick check bench clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "askonce needs Python 3.11 or newer; say make PYTHON=..."'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(VENV)/demo.done: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group demo
	@touch $@

$(VENV)/test.done: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group check
	@touch $@

demo: $(VENV)/demo.done ## Summarise, key-word and question real documents, twice
	$(BIN)/python examples/demo.py

test: $(VENV)/test.done ## Run the tests
	@echo "tests/redis, against real servers, run beside the others; what they say comes at the end"
	@$(BIN)/python -m pytest tests/redis >.redis-tests.log 2>&1 & redis=$$!; \
	$(BIN)/python -m pytest --ignore=tests/redis; core=$$?; \
	wait $$redis; code=$$?; cat .redis-tests.log; exit $$((core + code))

cover: $(VENV)/test.done ## Run the tests again, but for those in trouble on purpose, and say what they reach
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest --ignore=tests/redis/chaos
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

quick: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group test
	$(BIN)/python -m pytest --quiet

check: $(VENV)/test.done ## Lint, types, and the rule of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: ## Measure against the peers, in an environment of its own
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt --editable .
	$(BENCH)/bin/python -m benchmarks $(BENCH_ARGS)

clean: ## Remove what was made here
	rm -rf .venv .venv-* .redis-tests.log .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build dist
