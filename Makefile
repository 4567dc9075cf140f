# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow test-deep test-planning explore lint types floors unit docs bench posterior clean

$(BIN)/abscopal: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/abscopal
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	sh tools/chromium.sh
	@touch $@

demo: $(BIN)/abscopal          ## one real patient, from DICOM to a report
	$(BIN)/abscopal demo --out demo

test: lint types floors unit test-deep test-planning docs    ## everything CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

floors: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto -m "not slow and not network"

# PyTorch is large, so the dose prediction network has an environment of its own that borrows the packages of $(VENV).
# Any version from 2.4 on will do; on Linux, install a build for processors first where no graphics card is there.
TORCH ?= torch==2.13.0
DEEP := .venv-deep

$(DEEP)/.ready: $(VENV)/.dev
	$(PYTHON) -m venv $(DEEP)
	$(DEEP)/bin/python -m pip install --quiet '$(TORCH)' 'safetensors>=0.4'
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$($(DEEP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth
	@touch $@

test-deep: $(DEEP)/.ready      ## the dose prediction network, trained for a few seconds on a processor
	$(DEEP)/bin/python -m pytest -q tests/planning/prediction/test_network.py tests/e2e/test_plan_predict.py

PLANNING := .venv-planning

test-planning: $(PLANNING)/.ready    ## the tests that need pyRadPlan, which cannot live beside the newest numpy
	$(PLANNING)/bin/python -m pytest -m planning tests/planning tests/e2e/test_plan_cli.py

$(PLANNING)/.ready: pyproject.toml tests/planning/requirements.txt
	$(PYTHON) -m venv $(PLANNING)
	$(PLANNING)/bin/python -m pip install --quiet --upgrade pip
	$(PLANNING)/bin/python -m pip install --quiet -e . -r tests/planning/requirements.txt
	$(PLANNING)/bin/python -m pip install --quiet --no-deps 'pyRadPlan==0.5.0'
	@touch $@

test-slow: $(VENV)/.dev        ## the slow and the networked tests
	$(BIN)/python -m pytest -m "slow or network" --force-enable-socket

explore: $(VENV)/.dev          ## the property tests on examples never tried before
	$(BIN)/python -m pytest -n auto -m "not slow and not network" --hypothesis-profile="new examples"

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: benchmarks/.venv/.ready $(PLANNING)/.ready    ## speed of solver, window and planning beside their peers, written into docs/validation
	benchmarks/.venv/bin/python benchmarks/solver.py --write docs/validation/solver.md
	benchmarks/.venv/bin/python benchmarks/window.py --write docs/validation/window-speed.md
	$(PLANNING)/bin/python benchmarks/planning.py --write docs/validation/planning.md

benchmarks/.venv/.ready: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv benchmarks/.venv
	benchmarks/.venv/bin/python -m pip install --quiet -e . -r benchmarks/requirements.txt
	@touch $@

posterior: $(VENV)/.dev         ## calibrate the dose-immune model and its ablations, then predict every evidence row
	$(BIN)/abscopal inference calibrate
	$(BIN)/abscopal inference evidence --docs docs/validation/window.md --predictions validation/predictions

clean:
	rm -rf $(VENV) $(DEEP) $(PLANNING) benchmarks/.venv demo docs/_build
