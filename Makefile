# Commands of the project; each makes .venv first when it is missing or out of date.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CORES ?= 2

# Threads of BLAS and torch in each of the CORES test processes: more of them only wait for one another.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-fast check coverage bench browser clean
.DEFAULT_GOAL := help

help:  ## show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## train controls, ridge, cuca and hist2cell on generated tissue and build a leaderboard
	$(BIN)/histobench run --methods ridge,cuca,hist2cell --datasets synthetic --preset quick --workers $(CORES) --out demo
	$(BIN)/histobench leaderboard build --out demo

test: $(STAMP) browser  ## run every test that this machine can
	$(BIN)/pytest -n $(CORES) --dist loadfile

test-fast: $(STAMP)  ## run the tests that take under ten seconds each
	$(BIN)/pytest -n $(CORES) --dist loadfile -m "not slow"

check: $(STAMP)  ## lint, format, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(STAMP)  ## run every test and show the lines that none reaches
	$(BIN)/pytest -n $(CORES) --dist loadfile --cov --cov-report=term-missing

bench: $(STAMP)  ## measure speed and memory
	$(BIN)/pytest benchmarks --benchmark-enable --benchmark-only

clean:  ## remove what these commands wrote, .venv included
	rm -rf .venv demo build dist *.egg-info core/*.egg-info .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The leaderboard's tests open it in Debian's chromium; without one they are skipped and say so.
browser:
	@command -v chromium >/dev/null 2>&1 && exit 0; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	if command -v apt-get >/dev/null 2>&1 \
	  && $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium; then exit 0; fi; \
	echo "chromium is not there and could not be installed: the tests that open the leaderboard will be skipped." >&2
