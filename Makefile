# make train | test | test-quick | test-4 | test-slurm | test-network | dist | test-dist | test-python | chaos | lint | clean.
# Variables: PYTHON, MPI=mpich|openmpi|none, RANKS, JOB, WORKERS, TESTS, CHAOS_MINUTES, CHAOS_SESSIONS

PYTHON ?= python3
MPI ?= mpich
RANKS ?= 2
WORKERS ?= 3
JOB ?= jobs/digits-taylor.toml
INPUTS ?= 100000
SEED ?= 0
FUZZED ?= readers jobs
PYTHONS ?= 3.11 3.12 3.13 3.14
CHAOS_MINUTES ?= 10
CHAOS_SESSIONS ?= 6

BIN := .venv/bin
BASE := .venv/.installed-$(MPI)
COMMA := ,
EXTRA := $(if $(filter none,$(MPI)),,$(MPI)$(COMMA))
MPIRUN := $(if $(filter none,$(MPI)),mpirun,$(BIN)/mpirun)

ifeq ($(filter mpich openmpi none,$(MPI)),)
$(error MPI=$(MPI): allowed are mpich, openmpi and none (the MPI of this system))
endif

# Let Open MPI run as root, and with more ranks than cores.
ifeq ($(MPI),openmpi)
export PRTE_MCA_rmaps_default_mapping_policy ?= :oversubscribe
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT ?= 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM ?= 1
endif
endif

.PHONY: help train test test-quick test-4 test-slurm test-network dist test-dist test-python test-turn fuzz chaos lint results clean
help:
	@echo "make train    install into .venv, then train $(JOB) on $(RANKS) ranks"
	@echo "make test     all tests but those of Slurm and hosts  make test-4   the tests under MPI, on 4 ranks"
	@echo "make test-quick  the tests without MPI (at most 2 cases of each), and those of taylor under MPI; 90 s on two cores"
	@echo "make test-slurm  the tests that start a Slurm; as root it is installed (apt-get) if it is missing"
	@echo "make test-network  the tests between two hosts, made on this machine of namespaces (root, iproute2)"
	@echo "make dist     wheel and sdist in dist/              make test-dist  a few tests of everything against that wheel"
	@echo "make test-python  the same with the Pythons of this machine ($(PYTHONS)), in the oldest and newest packages"
	@echo "make fuzz     $(INPUTS) damaged files for every reader and job file, seed $(SEED)"
	@echo "make chaos    kill small runs at random for CHAOS_MINUTES=$(CHAOS_MINUTES), resume them, and compare their weights"
	@echo "make lint     ruff, mypy, import fence            make clean    remove .venv and caches"
	@echo "make results  make the tables and figures of results/ (an hour on a quiet machine)"
	@echo "variables: PYTHON=$(PYTHON) MPI=$(MPI) (mpich, openmpi, none) RANKS=$(RANKS) JOB=$(JOB) WORKERS=$(WORKERS) TESTS= (of make test) PYTHONS= INPUTS SEED FUZZED (of fuzz)"

train: $(BASE)
	$(MPIRUN) -n $(RANKS) $(BIN)/hpcadmm train $(JOB)
	@run=$$(ls -td results/runs/*/ | head -n 1); run=$${run%/}; printf '%s\n' '' \
	  "The run folder is $$run. How to go on:" \
	  "  source $(BIN)/activate" \
	  "  hpcadmm evaluate $$run" \
	  "  $(notdir $(MPIRUN)) -n $(RANKS) hpcadmm resume $$run --set stop.iterations=1000" \
	  "  $(notdir $(MPIRUN)) -n $(RANKS) hpcadmm train --data YOUR.csv --target COLUMN"

test: $(BASE)-test
	$(BIN)/python -m pytest -m "not (slurm or network)" -n $(WORKERS) --dist worksteal $(TESTS)

test-quick: $(BASE)-test
	$(BIN)/python -m pytest -m "quick or not (mpi or slurm or network or further)" -n 2 --dist worksteal

test-4: $(BASE)-test
	HPCADMM_TEST_RANKS=4 $(BIN)/python -m pytest -m mpi -n $(WORKERS) --dist worksteal

# HPCADMM_SLURM=required: a missing Slurm fails instead of skipping.
test-slurm: $(BASE)-test
	HPCADMM_SLURM=$${HPCADMM_SLURM:-install} $(BIN)/python -m pytest -m slurm tests/slurm

# Skipped with the reason where there can be no hosts; HPCADMM_NETWORK=required: a skip fails.
test-network: $(BASE)-test
	why="$$(tests/network/hosts.sh why)"; beside="tests/network/hosts.sh 2"; [ -z "$$why" ] || beside=; \
	HPCADMM_NO_HOSTS="$$why" $$beside $(BIN)/python -m pytest -m network tests/network

# The wheel is made from the sdist; from one commit it has the same bytes everywhere.
dist: $(BASE)-dev
	rm -rf dist build/lib build/bdist.*
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2> /dev/null || date +%s)} $(BIN)/python -m build --no-isolation -C--global-option=--quiet
	$(BIN)/twine check --strict dist/*

test-dist: dist
	tests/installed.sh borrow

# Each Python that is there; 3.11 also with the oldest packages that pyproject.toml allows. Not in .ci/run: a minute each.
test-python: dist
	tests/installed.sh oldest 3.11
	for python in $(PYTHONS); do tests/installed.sh newest $$python || exit 1; done

# With each commit another of test-dist and those of test-python.
test-turn: dist
	tests/installed.sh turn $$(git rev-list --count HEAD 2> /dev/null || echo 0) $(PYTHONS)

# FUZZED: modules of tests/fuzz; a fault ends the run and shows its input.
fuzz: $(BASE)-test
	for module in $(FUZZED); do $(BIN)/python tests/fuzz/run.py $$module $(INPUTS) $(SEED) || exit 1; done

# CHAOS_SESSIONS runs at once; to repeat a seed: CHAOS_ARGUMENTS="--seed N".
chaos: $(BASE)-test
	$(BIN)/python tests/chaos/kill.py --minutes $(CHAOS_MINUTES) --sessions $(CHAOS_SESSIONS) $(CHAOS_ARGUMENTS)

# The tables and figures of results/; needs HPCADMM_DATA and a quiet machine.
results: $(BASE)-test
	MPIRUN=$(MPIRUN) HPCADMM=$(BIN)/hpcadmm results/make.sh

lint: $(BASE)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find hpcadmm tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp needs the one before, so that two pips never run at once, not even under make -j.
$(BASE): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than Python 3.11; name a newer one: make PYTHON=python3.12"; exit 1; }
	@for other in mpich openmpi none; do \
	  if [ $$other != $(MPI) ] && [ -e .venv/.installed-$$other ]; then \
	    echo ".venv holds MPI=$$other, and two MPIs in one environment break each other: run make clean first"; exit 1; fi; done
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(if $(EXTRA),[$(MPI)])'
	@touch $@

$(BASE)-test: $(BASE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)test]'
	@touch $@

$(BASE)-dev: $(BASE)-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)test,dev]'
	@touch $@
