# campus-gateway. `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up

.PHONY: help setup demo test check check-ansible format bench prove prove-short model lock sbom wheel check-units deb test-install clean

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

test: setup  ## all tests, fast ones first and on all cores (ARGS="-k name": only those)
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(BIN)/python -m pytest -m "not slow" -n auto && $(BIN)/python -m pytest -m slow)

check: setup  ## format, lint, types, import direction
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup  ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

BENCHES := core bus alarm journal uplink vision console report fleet

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

ANSIBLE := build/ansible/bin

$(ANSIBLE)/ansible-lint: deploy/ansible/requirements-lint.txt
	@$(PYTHON) -m venv build/ansible
	@$(ANSIBLE)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

check-ansible: $(ANSIBLE)/ansible-lint  ## lint the Ansible role; not part of `check`, because its programs are 60 MB of their own in build/ansible
	@cd deploy/ansible && PATH=$(CURDIR)/$(ANSIBLE):$$PATH yamllint --strict . && PATH=$(CURDIR)/$(ANSIBLE):$$PATH ansible-lint --offline
	@cd deploy/ansible && ../../$(ANSIBLE)/ansible-playbook --syntax-check -i inventory.example.yml rollout.yml

sbom: setup  ## bill of materials (CycloneDX 1.6) and licence texts of what ships, in build/; fails on a licence that is not allowed
	@$(BIN)/python -m deploy.supply.sbom --out build/sbom.cdx.json
	@$(BIN)/python -m deploy.supply.licences --out build/licences.txt

wheel: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
wheel: setup  ## the wheel in build/wheel/: the same sources give the same bytes
	@$(BIN)/python -m hatchling build -t wheel -d build/wheel
	@cd build/wheel && sha256sum *.whl

check-units: setup  ## boots a Debian with the units and tries them, as root (a minute or two; CAMPUS_GATEWAY_DEB=FILE: the package)
	@CHECK_UNITS=1 REQUIRE_REAL_PARTS=1 $(BIN)/python -m pytest tests/systemd $(ARGS)

deb: setup  ## the Debian packages in build/deb/ (ARGS="--arch amd64 --key FILE"); docs/install.md
	@$(BIN)/python -m deploy.package.build $(ARGS)

test-install: setup  ## installs, upgrades and removes them on a fresh Debian, as root: many minutes (ARGS="--arm64" for that one too)
	@REQUIRE_REAL_PARTS=1 $(BIN)/python -m pytest tests/install $(ARGS)

clean:  ## remove what was built
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
