# `make demo` and `make test` are all a newcomer needs; both set themselves up.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: setup demo test lint bench engine engine-test format clean

setup: $(STAMP)  ## virtual environment with everything for demo and tests

# torch first: with a CPU build in place nothing pulls the CUDA packages of several gigabytes.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	scripts/install-torch $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo,dev]'
	touch $@

demo: setup  ## the whole story on this machine in under three minutes
	$(BIN)/shadow demo $(DEMO_ARGS)

test: setup  ## unit, contract and integration tests
	scripts/test $(BIN) $(TEST_ARGS)

lint: setup  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## ratios against references in the same run; misses are printed as misses
	$(BIN)/python -m bench $(BENCH_ARGS)

engine: .venv-engine/.ready  ## a real vLLM for the CPU in .venv-engine, for the tests marked `engine`

.venv-engine/.ready: scripts/engine scripts/engine-requirements.txt scripts/engine-shim/pyproject.toml
	scripts/engine .venv-engine
	touch $@

engine-test: setup engine  ## the sidecar against real vLLM servers; slow: each takes up to minutes to start
	$(BIN)/python -m pytest -m engine $(TEST_ARGS)

clean:
	rm -rf $(VENV) .venv-engine .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dist build
