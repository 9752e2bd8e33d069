# Two commands on a fresh machine with Python >= 3.11, pip and make:
#   make demo   creates .venv from pinned requirements and runs the quickstart
#   make test   the same environment, then the tests
PYTHON ?= python3
VENV ?= .venv
REQUIREMENTS ?= requirements.txt
BIN = $(VENV)/bin
SLURM_TESTS ?= slurm
PYTEST_FLAGS ?= -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all test-sharp test-slow-share test-slurm lint format bench results results-quick docs requirements clean

$(VENV)/.installed: $(REQUIREMENTS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rf_limits needs Python >= 3.11, but $(PYTHON) is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(REQUIREMENTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/python scripts/train.py --config=configs/quickstart.py --workdir=results/quickstart

test: $(VENV)/.installed
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# The slow tests as well.
test-all: $(VENV)/.installed
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "not slurm"

# The sharpest numerical tests as four kinds of CPU: tests/combinations.py.
test-sharp: $(VENV)/.installed
	$(BIN)/python -m tests.combinations

# One share of the slow tests: SLOW_SHARE=3/12 is the fourth of twelve.
SLOW_SHARE ?= 0/12
test-slow-share: $(VENV)/.installed
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "slow and not slurm" --slow-share=$(SLOW_SHARE)

# The tests that need a running Slurm: .ci/slurm says how to have one.
test-slurm: $(VENV)/.installed
	$(BIN)/python -m pytest -m "$(SLURM_TESTS)" tests/batch

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# PyTorch (its CPU build, where pip finds one) and scikit-learn are for the benchmarks alone.
$(VENV)/.bench-installed: requirements-bench.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt
	@touch $@

# About 10 minutes on 2 cores. BENCH_FLAGS=--only=training for one job, --write for the committed table.
# Where JAX has an accelerator: the job `accelerator` in place of the others.
bench: $(VENV)/.bench-installed
	$(BIN)/python -m benchmarks $(BENCH_FLAGS)

# The committed results, again from nothing: rf_limits/runs/recipes.py has the commands.
# Full: 25 to 60 minutes on 2 cores, of which the four trials of chizat take 6 to 15. Quick: the same
# experiments small, 2 to 4 minutes. RESULTS_FLAGS="--output=results/again --only=hardness" keeps the
# committed tables; then scripts/results.py check --variant=quick --output=results/again.
results: $(VENV)/.installed
	$(BIN)/python scripts/results.py --variant=full $(RESULTS_FLAGS)

results-quick: $(VENV)/.installed
	$(BIN)/python scripts/results.py --variant=quick $(RESULTS_FLAGS)

# The documents as a site under build/docs: broken links and other warnings are errors.
.venv-docs/.installed: requirements-docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-docs.txt
	@touch $@

docs: .venv-docs/.installed
	.venv-docs/bin/sphinx-build -q -W --keep-going -c docs . build/docs
	cp build/docs/README.html build/docs/index.html
	@echo "Site in build/docs: open build/docs/index.html"

# Needs uv. The comments in the files say what each is for.
requirements:
	sh .ci/compile_requirements

clean:
	rm -rf $(VENV) .venv-latest .venv-docs build .mypy_cache .pytest_cache .ruff_cache
