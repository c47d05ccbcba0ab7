# Safelight. `make help` prints the targets. Everything lives in .venv; nothing is installed elsewhere.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# Three at a time on two cores: half of the time a test waits for servers.
SIDE_BY_SIDE := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# The first interpreter that runs and is 3.11 to 3.14 (`make setup PYTHON=...` overrides it).
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)
STAMP := $(VENV)/.installed

COMPILE := uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --quiet

##@ Start here
.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Make .venv with everything, from requirements.lock (hashes checked)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Safelight needs Python 3.11, 3.12, 3.13 or 3.14, and none was found. Install one, or: make setup PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes a minute or two ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m safelight.vision.models || echo "Set-up goes on without them."
	@touch $(STAMP)

.PHONY: models
models: $(STAMP) ## Fetch the eye's models, if any is missing (set-up does so too)
	@$(BIN)/python -m safelight.vision.models

##@ Use it
.PHONY: demo
demo: $(STAMP) ## Train on photos from start to previews, on this machine (PHOTOS=folder for your own)
	@$(BIN)/safelight demo $(if $(PHOTOS),"$(PHOTOS)")

.PHONY: up
up: $(STAMP) ## Run everything on this machine: stores, broker, emulator, five workers, clock, API
	@exec $(BIN)/safelight up

.PHONY: chaos
chaos: $(STAMP) ## The promises under fire, on real processes (SEED=1 MINUTES=10)
	@$(BIN)/safelight chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

.PHONY: chaos-broken
chaos-broken: $(STAMP) ## Builds with a promise broken on purpose: each must be found out
	@for build in no-fence early-hints retried-post no-sweep; do \
		$(BIN)/safelight chaos --seed $(or $(SEED),5) --minutes 0.8 --trainings 16 --broken $$build || exit 1; done

.PHONY: outages
outages: $(STAMP) ## Half-open broker links, a broker away for five minutes, ten restarts of Postgres
	@OUTAGE_SECONDS=300 $(BIN)/python -m pytest tests/chaos/test_outages.py -s --timeout 1200

.PHONY: scale
scale: $(STAMP) ## Cleanup of 20,000 objects, killed ten times (five minutes)
	@SAFELIGHT_FULL=1 $(BIN)/python -m pytest tests/acceptance/test_cleanup_at_scale.py --timeout 1200

##@ Work on it
.PHONY: test
test: $(STAMP) lint ## Lint, then every default test
	@# In this order: the longest file, the fuzzer's, stands near the beginning, and short ones fill up the end.
	@$(SIDE_BY_SIDE) tests/integration tests/contract tests/browser tests/unit
	@$(SIDE_BY_SIDE) tests/chaos tests/acceptance

.PHONY: coverage
coverage: $(STAMP) ## How much of the code the unit and integration tests run (what other processes run does not count)
	@$(SIDE_BY_SIDE) --cov --cov-report=term tests/integration tests/unit

.PHONY: matrix
matrix: $(STAMP) ## A quick part under each other Python and Postgres of this machine (ALL=1 ALSO=/opt/postgres-17)
	@$(BIN)/python tools/matrix.py $(if $(ALL),--all) $(ALSO)

.PHONY: lint
lint: $(STAMP) ## ruff, mypy and the floors of the house (import-linter)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(STAMP) ## Format the code and mend what ruff can
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(STAMP) ## Run a benchmark (NAME=engine, watch, spine, eye, weights, cleanup)
	@test ! -f benchmarks/$(NAME)-requirements.lock || $(BIN)/python -m pip install -qq \
		--disable-pip-version-check --require-hashes -r benchmarks/$(NAME)-requirements.lock
	@$(BIN)/python -m benchmarks.$(or $(NAME),spine)

.PHONY: chromium
chromium: ## Install the Chromium that tests/browser drives (Debian, as root)
	@command -v chromium >/dev/null || apt-get install -qq -y --no-install-recommends chromium

.PHONY: pgbouncer
pgbouncer: ## Install the PgBouncer that tests/integration puts before Postgres (Debian, as root)
	@test -x /usr/sbin/pgbouncer || command -v pgbouncer >/dev/null || apt-get install -qq -y --no-install-recommends pgbouncer

.PHONY: rabbitmq
rabbitmq: ## Install the RabbitMQ that tests/integration sends hints through (Debian, as root)
	@test -x /usr/lib/rabbitmq/bin/rabbitmq-server || apt-get install -qq -y --no-install-recommends rabbitmq-server

.PHONY: mutants
mutants: $(STAMP) ## Broken and hostile files of every kind (KIND=archives COUNT=2000 SEED=0 ONLY=17)
	@$(BIN)/python -m benchmarks.mutants $(KIND) $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

.PHONY: fuzz
fuzz: $(STAMP) ## The API under a fuzzer that reads its OpenAPI document (SEED=1 SECONDS=120)
	@FUZZ_SEED=$(or $(SEED),1) FUZZ_SECONDS=$(or $(SECONDS),120) \
		$(BIN)/python -m pytest tests/integration/test_api_fuzzed.py

.PHONY: lock
lock: ## Resolve the pins anew: requirements.lock for a checkout, requirements-run.lock for the image (needs uv)
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra heic --extra build --constraint requirements.lock --output-file requirements-run.lock pyproject.toml

.PHONY: wheel
wheel: $(STAMP) ## Build the wheel, install it in a fresh environment and ask for its version
	@$(BIN)/python tools/release.py --wheel

.PHONY: release
release: $(STAMP) ## Look whether this commit may be released, make its wheel, and say how to tag it
	@$(BIN)/python tools/release.py

.PHONY: clean
clean: ## Remove .venv, caches and the data of the embedded default
	rm -rf $(VENV) .safelight .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
