# campus-gateway. `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up

.PHONY: help setup demo test check format bench prove prove-short model lock clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## virtual environment in .venv from the hashed lock file

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed: apt-get install python3-venv"; exit 1; }; }
	@echo "installing the locked packages (about 500 MB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## a whole school on this machine, played for one minute (ARGS="--seconds 30 --json --keep")
	@$(BIN)/campus-gateway demo $(ARGS)

test: setup  ## all tests, fast ones first (ARGS="-k name")
	@$(BIN)/python -m pytest $(ARGS)

check: setup  ## format, lint, types, import direction
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup  ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

BENCHES := core bus alarm journal uplink vision console

bench: $(BENCHES:%=bench-%)  ## all benchmarks; results in build/bench/

bench-%: setup
	@mkdir -p build/bench
	@$(BIN)/python -m tests.bench.$* --out build/bench/$*.json $(ARGS)

prove: setup  ## the long proof that no accepted alarm is lost, as root (ARGS="--only cuts"); docs/proof.md
	@$(BIN)/python -m tests.bench.prove $(ARGS)

prove-short: setup  ## the same in under 5 minutes
	@$(BIN)/python -m tests.bench.prove --effort short $(ARGS)

model: setup  ## build the shipped networks anew in build/model (needs npm) and hold them against models/
	@$(BIN)/python -m models.make --out build/model $(ARGS)

lock:  ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-header --no-emit-index-url --no-annotate \
		--quiet pyproject.toml -o requirements.lock

clean:  ## remove what was built
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
