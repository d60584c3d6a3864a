# The only door: every task of the project starts here. The environment lives in .venv.
PYTHON ?= python3.11
BIN := .venv/bin
# Where the real studies lie, if they are on this machine; tests that need them say so when they are not.
COMMENSAL_DATA ?=
export COMMENSAL_DATA

.PHONY: help demo test test-all coverage check fix bench trials docs serve lock clean
.DEFAULT_GOAL := help

help: ## what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/run.stamp: requirements/run.txt pyproject.toml
	@test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/run.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/dev.txt
	@touch $@

.venv/spark.stamp: requirements/spark.txt .venv/dev.stamp
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/spark.txt
	@touch $@

demo: .venv/run.stamp ## a synthetic centre of 4,000 patients, the whole study, a report to open
	$(BIN)/commensal demo

test: .venv/dev.stamp ## the fast tests; prints what was skipped and why
	$(BIN)/pytest -n 2 -m "not slow and not browser and not postgresql and not spark"

test-all: .venv/spark.stamp ## every test: slow ones, Spark, PostgreSQL, Chromium, real data
	$(BIN)/pytest -n 2

coverage: .venv/dev.stamp ## the lines the fast tests do not reach
	$(BIN)/coverage run -m pytest -m "not slow and not browser and not postgresql and not spark"
	$(BIN)/coverage report --skip-covered

check: .venv/dev.stamp ## style, types, the layers between rooms, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: .venv/dev.stamp ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp ## speed and memory at three sizes, as ratios to a plain twin or a peer
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

trials: .venv/dev.stamp ## the long trials: what they print is kept, dated, in docs/trials
	@for file in benchmarks/trial_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: .venv/dev.stamp ## write the generated reference pages again
	$(BIN)/python docs/generate.py

serve: .venv/run.stamp ## the registry on this machine
	$(BIN)/commensal serve

lock: ## resolve the dependencies again (needs uv)
	@for name in run dev spark; do \
	  case $$name in run) with="--extra site --group build";; dev) with="--extra site --group dev";; \
	    spark) with="--extra site --extra spark --group dev";; esac; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-annotate --no-header pyproject.toml $$with --output-file requirements/$$name.txt; done

clean: ## remove the environment and what tools left
	rm -rf .venv build demo .pytest_cache .ruff_cache .hypothesis .coverage*
