# The two commands of the README: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: build rust-tests demo test test-busy test-jdaviz test-lowest lint docs format bench bench-history bench-peers validate validate-peer validate-sample validate-flight crds-answers torture torture-batch hostile fuzz wheel check-wheel deny lint-recipe clean

# Compiles the crate and installs the package, with everything its tests need, into .venv.
build: $(BIN)/maturin
	$(BIN)/maturin develop --release --locked --extras test,dev,docs

$(BIN)/maturin:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip "maturin>=1.9,<2"

# Compiles the tests of the crate.
rust-tests:
	cargo test --locked --no-run

# Two things at once, as the linker of a release uses one core; each shows what it said when it is done.
COMPILE = $(MAKE) --no-print-directory --jobs=2 $(addprefix --,$(filter output-sync,$(.FEATURES)))

demo: build
	$(BIN)/romancal-rs demo --output-dir demo-output

# Tests of one file share what they simulate, and so a process. One process more than there are cores: some
# tests wait. tests/conftest.py says which files begin.
PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)
PYTEST := $(BIN)/pytest -n $(PROCESSES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test:
	$(COMPILE) build rust-tests
	cargo test --locked
	$(PYTEST)

# All tests, five times, beside two processes that keep the cores busy: what depends on load or time shows.
# An hour and more on 2 cores.
BUSY_RUNS ?= 5

test-busy: build
	trap 'kill $$one $$two' EXIT; \
	(while :; do :; done) & one=$$!; (while :; do :; done) & two=$$!; \
	for run in $$(seq $(BUSY_RUNS)); do echo "busy run $$run"; $(PYTEST) || exit 1; done

# That jdaviz shows our products. It brings 200 packages, for which it has an environment of its own.
JDAVIZ_ENV := build/jdaviz-env

test-jdaviz: $(BIN)/maturin
	test -x $(JDAVIZ_ENV)/bin/python || $(PYTHON) -m venv $(JDAVIZ_ENV)
	$(JDAVIZ_ENV)/bin/pip install --quiet "jdaviz[roman]>=5" "pytest>=8"
	VIRTUAL_ENV=$(CURDIR)/$(JDAVIZ_ENV) $(BIN)/maturin develop --release --locked
	$(JDAVIZ_ENV)/bin/python -m pytest tests/unit/test_jdaviz.py

# The unit and pipeline tests with the lowest versions that pyproject.toml allows, which have wheels for
# Python 3.11 only.
LOWEST_PYTHON ?= python3.11
LOWEST_ENV := build/lowest-env

test-lowest:
	test -x $(LOWEST_ENV)/bin/uv || { $(LOWEST_PYTHON) -m venv $(LOWEST_ENV) && \
	    $(LOWEST_ENV)/bin/pip install --quiet uv "maturin>=1.9,<2"; }
	rm -rf build/lowest-wheels
	$(LOWEST_ENV)/bin/maturin build --release --locked --out build/lowest-wheels
	$(LOWEST_ENV)/bin/uv pip install --python $(LOWEST_ENV)/bin/python --resolution lowest-direct \
	    -r pyproject.toml --extra test
	$(LOWEST_ENV)/bin/uv pip install --python $(LOWEST_ENV)/bin/python --no-deps \
	    --reinstall-package romancal-rs build/lowest-wheels/*.whl
	$(LOWEST_ENV)/bin/python -m pytest tests/unit tests/pipeline

lint: build
	cargo fmt --all --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest romancal_rs._core

format:
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in build/docs. Without network. Notebooks run, but those that have not changed since;
# DOCS_NOTEBOOKS=off shows them without results.
docs: build
	rm -rf docs/reference/api/generated
	$(BIN)/sphinx-build -W --keep-going -b html -d build/doctrees docs build/docs

# Prints; nothing passes or fails. The first run simulates a full-size exposure. The whole matrix of
# exposures takes a quarter of an hour and 3 GB of disk.
bench: build
	cargo bench --locked
	-$(BIN)/python tests/bench/instructions.py
	$(BIN)/python tests/bench/kernels.py
	$(BIN)/python tests/bench/pipeline.py
	$(BIN)/python tests/bench/flight.py
	$(BIN)/python tests/bench/small.py
	$(BIN)/python tests/bench/batch.py

# What kernels cost per pixel at this commit, in instructions and bytes, goes into docs/explanation/history.csv;
# says what costs more than at the commit before. Needs valgrind. HISTORY="--at COMMIT" measures another one.
HISTORY ?=

bench-history:
	$(PYTHON) tests/bench/history.py $(HISTORY)

# Beside the numeric library of the system of 2022, and beside romancal 1.1.0, each in an environment of
# its own. Half an hour, of which romancal takes most, and up to 6 GB of memory.
PEERS_ENV := build/peers-env
FLIGHT_PEERS_ENV := build/peers-env-flight

bench-peers: build $(FLIGHT_PEERS_ENV)/bin/python
	test -x $(PEERS_ENV)/bin/python || $(PYTHON) -m venv $(PEERS_ENV)
	$(PEERS_ENV)/bin/pip install --quiet "stcal==1.2.1" "numpy<2"
	$(BIN)/python tests/bench/peers.py $(PEERS_ENV)/bin/python
	$(BIN)/python tests/bench/peers_flight.py $(FLIGHT_PEERS_ENV)/bin/python
	$(BIN)/python tests/bench/peers_fit.py $(FLIGHT_PEERS_ENV)/bin/python
	$(BIN)/python tests/bench/peers_file.py $(FLIGHT_PEERS_ENV)/bin/python

$(FLIGHT_PEERS_ENV)/bin/python:
	$(PYTHON) -m venv $(FLIGHT_PEERS_ENV)
	$(FLIGHT_PEERS_ENV)/bin/pip install --quiet "romancal==1.1.0" "stcal==1.20.0" "roman_datamodels==1.1.0" \
	    "rad==1.1.0" "stpipe==1.1.0" || { rm -rf $(FLIGHT_PEERS_ENV); exit 1; }

# Holds 50 simulated exposures against an independent simulation, and writes docs/explanation/validation.md with its
# plots; then the fits against the best that ramps allow, for docs/explanation/validation-fits.md. Ten minutes.
validate: build
	PYTHONPATH=tests $(BIN)/python -m validation
	PYTHONPATH=tests $(BIN)/python -m validation.fits

# What romancal 1.1.0 makes of the ramps of validation.fits, for tests/validation/fits_peer.json. Needed again
# only if these ramps change; half an hour.
validate-peer: build $(FLIGHT_PEERS_ENV)/bin/python
	PYTHONPATH=tests $(BIN)/python -m validation.fits --peer $(FLIGHT_PEERS_ENV)/bin/python

# Pulls of a third party's simulation in the directory SAMPLE, as we calibrate it and as romancal 1.1.0
# does. SAMPLE_OPTIONS go to our pipeline, such as --recipe=2022.
SAMPLE ?=
SAMPLE_OPTIONS ?=

validate-sample: build $(FLIGHT_PEERS_ENV)/bin/python
	test -d "$(SAMPLE)" || { echo "say where the sample is: make validate-sample SAMPLE=directory"; exit 2; }
	$(FLIGHT_PEERS_ENV)/bin/python tests/validation/sample_peer.py "$(SAMPLE)" build/sample
	PYTHONPATH=tests $(BIN)/python -m validation.sample "$(SAMPLE)" $(SAMPLE_OPTIONS)
	PYTHONPATH=tests $(BIN)/python -m validation.sample "$(SAMPLE)" build/sample/*/*_rate.asdf

# What the flight steps leave of bias, for the 18 detectors, each in cut-outs of 128 rows. Three minutes on
# 2 cores; FLIGHT_OPTIONS="--rows 4096 --detectors WFI07 --exposures 1" for a full frame.
validate-flight: build
	PYTHONPATH=tests $(BIN)/python -m validation.flight $(FLIGHT_OPTIONS)

# Compares more than 12,000 best references with the official CRDS client, which it installs first.
# Another SEED makes other rules.
SEED ?= 20260
CRDS_ENV := build/crds-env

crds-answers: build
	test -x $(CRDS_ENV)/bin/crds || { $(PYTHON) -m venv $(CRDS_ENV) && $(CRDS_ENV)/bin/pip install --quiet crds; }
	$(CRDS_ENV)/bin/python tests/crds/make_answers.py --lookups 12000 --seed $(SEED) --all build/crds-answers.json.gz
	$(BIN)/python tests/crds/test_answers.py build/crds-answers.json.gz

# Kills a thousand runs, or takes their disk space, at random moments; ten minutes on 2 cores.
torture: build
	$(BIN)/python tests/torture/disturbed.py --runs 1000

# Batches of 200 exposures that are killed at 20 random moments, by each engine. Half an hour on 2 cores.
KILLS ?= --exposures 200 --kills 20

torture-batch: build
	PYTHONPATH=tests $(BIN)/python tests/torture/batch_kills.py $(KILLS)

# All damaged and hostile files, of which the ordinary tests try a third; two minutes on 2 cores.
hostile: build
	mkdir -p build
	HOSTILE_EVERY=1 HOSTILE_REPORT=build/hostile.txt $(BIN)/pytest -q -s tests/hostile

# Laws of kernels and files on ever more cases, until one breaks; build/fuzz.log has the seeds.
FUZZ ?=

fuzz: build
	$(BIN)/python tests/fuzz.py $(FUZZ)

# What is released, in dist: the wheel, for any Linux since 2014 and any Python since 3.11, the source
# distribution, and what a fresh installation of the wheel consists of (its SBOM; that of the Rust
# code is in the wheel).
RELEASE_ENV := build/release-env
WHEEL_ENV := build/wheel-env

wheel: $(RELEASE_ENV)/bin/maturin
	rm -rf dist $(WHEEL_ENV)
	PATH="$(CURDIR)/$(RELEASE_ENV)/bin:$$PATH" $(RELEASE_ENV)/bin/maturin build --release --locked \
	    --zig --compatibility manylinux_2_17 --out dist
	$(RELEASE_ENV)/bin/maturin sdist --out dist
	$(PYTHON) -m venv $(WHEEL_ENV)
	$(WHEEL_ENV)/bin/pip install --quiet dist/*.whl
	$(RELEASE_ENV)/bin/cyclonedx-py environment --output-reproducible --of JSON \
	    -o dist/romancal_rs.python.cyclonedx.json $(WHEEL_ENV)/bin/python

$(RELEASE_ENV)/bin/maturin:
	$(PYTHON) -m venv $(RELEASE_ENV)
	$(RELEASE_ENV)/bin/pip install --quiet "maturin[zig]>=1.11,<2" auditwheel abi3audit twine cyclonedx-bom

# Whether the wheel keeps what its name promises, and works without Rust.
check-wheel: build wheel
	$(RELEASE_ENV)/bin/auditwheel show dist/*.whl | grep -F '"manylinux_2_17_'
	$(RELEASE_ENV)/bin/abi3audit --strict --summary dist/*.whl
	$(RELEASE_ENV)/bin/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/pytest tests/packaging

# Licences and sources of the Rust dependencies, and that none is there twice. The first run builds
# the tool, which takes some minutes.
deny: build/tools/bin/cargo-deny
	build/tools/bin/cargo-deny --locked --all-features check licenses bans sources

build/tools/bin/cargo-deny:
	cargo install cargo-deny --locked --quiet --root build/tools

# The conda recipe, as the parser of rattler-build understands it.
lint-recipe: build
	$(BIN)/python recipe/check.py

clean:
	rm -rf target $(VENV) build dist demo-output
