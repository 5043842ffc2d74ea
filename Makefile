# Runs, checks and tests the product; needs git, make and Python >= 3.11, and gets everything else itself.
#   GATEWAY_PORT (8080), TEMPORAL_UI_PORT (8233): the published ports    LOCAL_DIR (.local): data and logs
#   SERVICE: one of the processes that `make ps` lists                   PYTEST_ARGS: passed on by `make test`
#   DATABASE: accounts or ledger, for `make sql`
#   BENCHMARK_ARGS: passed on by `make benchmark` (--smoke, --bulk, --growth, --record; --help for the rest)
#   DEMO_ARGS: passed on by `make demo` (--no-pause: without a key press between the chapters)

export GATEWAY_PORT TEMPORAL_UI_PORT LOCAL_DIR
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
INSTALLED := .venv/place
UV := deploy/local/uv.sh
VENV := deploy/local/venv.sh
STACK = $(BIN)/python deploy/local $@

.DEFAULT_GOAL := help
.PHONY: help up demo-free down reset ps logs kill start sql demo check screenshots benchmark test chaos kill-matrix mutations model proof nightly runtime development

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@sed -n 's/^#   /  /p' Makefile

up: runtime ## Start everything, with demo accounts; returns when it is ready
	@$(STACK)

demo-free: runtime ## Start everything without demo accounts and without the scenarios that inject faults
	@$(STACK)

down: $(INSTALLED) ## Stop everything; the data stay
	@$(STACK)

reset: runtime ## Stop everything, delete the data and start afresh
	@$(STACK)

ps: $(INSTALLED) ## Each process with state, pid and port; TEMPORAL_ADDRESS; what needs attention
	@$(STACK)

logs: $(INSTALLED) ## Follow all logs, or one: make logs SERVICE=gateway
	@$(STACK) $(SERVICE)

kill: $(INSTALLED) ## SIGKILL a process, which stays dead: make kill SERVICE=account-worker
	@$(STACK) $(SERVICE)

start: $(INSTALLED) ## Start it again: make start SERVICE=account-worker
	@$(STACK) $(SERVICE)

sql: $(INSTALLED) ## A prompt in a database, or what comes in by a pipe: make sql DATABASE=accounts
	@$(STACK) $(DATABASE)

demo: runtime ## The guided demo in the terminal, against what runs: make up, or docker compose
	@$(BIN)/python deploy/demo $(DEMO_ARGS)

check: development ## Formatting, lint, types, layering, lock file, compose file, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy conftest.py deploy/local libs/*/src services/*/src tests
	$(BIN)/mypy deploy/demo
	@# Each has a conftest.py of its own, which mypy can't tell apart in one run.
	@for tests in libs/*/tests services/*/tests; do echo "mypy $$tests"; $(BIN)/mypy "$$tests" || exit 1; done
	$(BIN)/lint-imports
	$(UV) lock --check
	@deploy/local/check_docker.sh

screenshots: development ## The README's pictures, taken in a browser from what runs: make up
	@$(BIN)/python tests/browser/screenshots.py

benchmark: development ## How fast transfers are, beside the floor and the official samples' shape
	@PYTHONPATH=tests:deploy/local $(BIN)/python -m benchmark $(BENCHMARK_ARGS)

test: development ## All tests; those that need Docker or a browser say why they are skipped without
	$(BIN)/pytest -n 3 -m 'not system and not browser and not compose and not chaos and not kill_matrix and not mutations and not nightly' $(PYTEST_ARGS)
	$(BIN)/pytest -n 2 -m system $(PYTEST_ARGS)
	$(BIN)/pytest -m kill_matrix $(PYTEST_ARGS)
	$(BIN)/pytest -m chaos $(PYTEST_ARGS)
	$(BIN)/pytest -m browser $(PYTEST_ARGS)
	$(BIN)/pytest -m compose $(PYTEST_ARGS)
	$(BIN)/pytest -n 2 -m mutations $(PYTEST_ARGS)

chaos: development ## Break everything for some minutes: make chaos SEED=42 MINUTES=60 FAULTS=kill,link DOCKER=no
	@$(BIN)/python tests/chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
	    $(if $(FAULTS),--faults $(FAULTS)) $(if $(DOCKER),--docker $(DOCKER))

kill-matrix: development ## SIGKILL each process exactly at each point, restart it and check; prints the table
	@$(BIN)/pytest -m kill_matrix tests/chaos/test_kill_matrix.py $(PYTEST_ARGS)

mutations: development ## Plant bugs in copies of the source, and run the tests on them: each must be caught
	$(BIN)/pytest -n 2 -m mutations tests/mutations $(PYTEST_ARGS)

model: development ## Every state of the protocol's model, and its schedules on the services' own code
	@$(BIN)/pytest -m 'not nightly' tests/model $(PYTEST_ARGS)

proof: $(INSTALLED) ## Write docs/proof.md from what the runs have measured
	@PYTHONPATH=tests $(BIN)/python -m chaos.proof_command $(if $(FORCE),--force)

nightly: development ## The tests that take minutes and gigabytes: two transfers' every state, histories never seen before
	$(BIN)/pytest -m nightly $(PYTEST_ARGS)

runtime:
	@$(VENV) --no-default-groups --group local

development:
	@$(VENV) --all-groups

$(INSTALLED):
	@$(VENV) --no-default-groups --group local
