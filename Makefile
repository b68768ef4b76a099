# The commands of the project. `make demo` and `make test` set everything up by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CLIENTS := .venv-clients
CLIENTS_READY := $(CLIENTS)/.ready
PIN := --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --upgrade

.PHONY: powerloss faults help setup demo test sim fuzz clients check format bench lock docs clean

help: ## show the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make the virtual environment, exactly as locked

$(READY): requirements/dev.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh
	@touch $(READY)

demo: $(READY) ## the main job on a real server: outage, recovery, proof (ARGS="--outage freeze")
	@$(BIN)/nobreak demo $(ARGS)

test: $(READY) ## all tests (ARGS="-k journal")
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh --test-packages
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

fuzz: $(READY) ## throw odd requests at the S3 front for minutes (ARGS="-k xml")
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/integration/test_s3_fuzz.py --timeout 1800 $(ARGS)

clients: $(READY) $(CLIENTS_READY) ## real S3 clients through an outage (ARGS="-k boto3")
	@$(BIN)/python -m pytest -m clients tests/clients $(ARGS)

$(CLIENTS_READY): requirements/clients.lock requirements/clients-fsspec.lock tests/clients/node/package-lock.json scripts/clients.sh
	@PYTHON="$(PYTHON)" CLIENTS="$(CLIENTS)" sh scripts/clients.sh
	@touch $(CLIENTS_READY)

sim: $(READY) ## 10,000 scenarios under a virtual clock (ARGS="--seed 7" plays one again, "--mutations" breaks the engine)
	@PYTHONPATH=. $(BIN)/python -m tests.sim $(ARGS)

check: $(READY) ## lint, format, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## let ruff format and fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

faults: $(READY) ## every fault on real processes; writes the table of docs/guarantees.md (15 minutes)
	@rm -f build/faults.jsonl && mkdir -p build
	-@FAULTS=all FAULT_REPORTS=$(CURDIR)/build/faults.jsonl $(BIN)/python -m pytest -n 2 tests/faults $(ARGS)
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.faults.table build/faults.jsonl docs/guarantees.md

powerloss: $(READY) ## cut the power at every place, take out every fsync; writes docs/guarantees.md (15 minutes)
	@PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.powerloss --page docs/guarantees.md $(ARGS)

bench: $(READY) ## ratios against named rivals, the journal at a million entries, the drain
	@$(BIN)/python bench/s3.py $(ARGS)
	@$(BIN)/python bench/journal.py
	@$(BIN)/python bench/drain.py

docs: $(READY) ## draw the diagrams in docs/ anew from the tables in core/
	@$(BIN)/python scripts/diagrams.py

lock: ## pin all dependencies anew (needs uv and npm)
	uv pip compile pyproject.toml --extra demo --group dev $(PIN) -o requirements/dev.lock
	uv pip compile --group clients $(PIN) -o requirements/clients.lock
	uv pip compile --group clients-fsspec $(PIN) -o requirements/clients-fsspec.lock
	npm update --prefix tests/clients/node --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

clean: ## remove what was made
	rm -rf $(VENV) $(CLIENTS) tests/clients/node/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
