# Everything a person or a CI runs. Needs Python 3.11 or newer with pip, make and git; fetches uv if it is missing.
# With npm, and Node 20 or newer, the tests have the clients for Node too.

SHELL := /bin/bash
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/.tools/bin/uv)
RUN := $(UV) run --frozen
SOURCES := $(wildcard packages/*/src apps/*/src)

# Without their bytecode kept, every process of a test compiles all that it imports, and so does each of those below.
export PYTHONDONTWRITEBYTECODE :=

# Many tests wait more than they compute, so there is one more at a time than there are processors.
TEST_JOBS ?= $(shell python3 -c 'import os; print(min(8, 1 + (os.cpu_count() or 1)))')

.PHONY: run install clients servers check fmt test bench bench-rivals bench-cache conformance clean help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: install ## start the gateway (with the built-in simulator unless accounts are configured)
	@GATEWAY_PRINT_SECRETS=1 $(RUN) --no-sync gateway serve

install: .venv/.synced

.venv/.synced: uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml apps/*/pyproject.toml) | uv
	@$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

PYTHON_CLIENTS := .tools/clients
NODE_CLIENTS := tests/clients/node/node_modules

clients: $(PYTHON_CLIENTS)/.synced $(NODE_CLIENTS)/.synced ## install the clients that the tests drive, apart from the product

$(PYTHON_CLIENTS)/.synced: tests/clients/python/uv.lock tests/clients/python/pyproject.toml | uv
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/$(PYTHON_CLIENTS) $(UV) sync --frozen --quiet --compile-bytecode --project tests/clients/python
	@touch $@

# Without npm nothing is installed, and the tests of these clients say that they are skipped.
$(NODE_CLIENTS)/.synced: tests/clients/node/package-lock.json tests/clients/node/package.json
	@if command -v npm >/dev/null; then (cd tests/clients/node && npm ci --loglevel=error >/dev/null) && touch $@; \
	  else echo "npm is missing: the clients for Node are not tested"; fi

# Without root on Debian nothing is installed, and the tests of what is missing say that they are skipped. PostgreSQL's is
# for the tests with an older major than the wheel's; its package would start a server of its own, if it were not told.
NO_CLUSTER := /etc/postgresql-common/createcluster.conf

servers: ## install the servers and tools of the system that some tests run
	@missing=; command -v nginx >/dev/null || missing="$$missing nginx"; command -v ip >/dev/null || missing="$$missing iproute2"; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  [ -e $(NO_CLUSTER) ] || { mkdir -p $(dir $(NO_CLUSTER)); echo "create_main_cluster = false" >$(NO_CLUSTER); }; \
	  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; apt-get update -qq >/dev/null; \
	  apt-get install -y -qq --no-install-recommends $$missing >/dev/null || echo "not installed, so not tested:$$missing"; fi

.PHONY: uv
uv:
	@command -v $(UV) >/dev/null || { echo "fetching uv"; \
	  python3 -m pip install --quiet --disable-pip-version-check --target .tools uv; }

check: install ## format, lint, types, import contracts
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy $(SOURCES)
	$(RUN) lint-imports

fmt: install ## format, and fix what the linter can
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

test: install clients servers ## every suite but the slow ones and the benchmarks
	$(RUN) --no-sync pytest -m "alone and not slow and not bench"
	$(RUN) --no-sync pytest -m "not alone and not slow and not bench" -n $(TEST_JOBS) --dist loadgroup --no-loadscope-reorder

bench: install ## measure; prints figures, gates nothing
	@$(RUN) --no-sync python tests/bench/rivals.py
	@$(RUN) --no-sync python tests/bench/transports.py
	@$(RUN) --no-sync python tests/bench/silent.py
	@$(RUN) --no-sync python tests/bench/publishing.py
	@$(RUN) --no-sync pytest -q -s -m slow tests/state/test_publishing.py

# LiteLLM comes with what it would else try to import, and fail, in each request, and with the faster HTTP parser.
RIVAL := "litellm[proxy]" httptools opentelemetry-sdk opentelemetry-exporter-otlp

bench-rivals: install .tools/litellm/.installed ## the same, and LiteLLM's proxy beside it
	@$(RUN) --no-sync python tests/bench/rivals.py --litellm .tools/litellm

# Without LiteLLM the others are measured; BENCH is more for the command line, for instance "--quick" or "--seed 2".
bench-cache: install ## how warm prompt caches stay: sessions over ten accounts, some of which fail
	@$(MAKE) --no-print-directory .tools/litellm/.installed || echo "bench: without LiteLLM" >&2
	@cd tests/bench && $(RUN) --no-sync python -m cache --litellm $(CURDIR)/.tools/litellm $(BENCH)

.tools/litellm/.installed: | uv
	@$(UV) venv --quiet --clear --python 3.11 .tools/litellm
	@$(UV) pip install --quiet --compile-bytecode --python .tools/litellm/bin/python $(RIVAL)
	@touch $@

RECORDINGS ?= ../shared/recordings
HARNESS ?= ../shared/tools/conformance
HARNESS_NEEDS := aiohttp pydantic openai anthropic google-genai botocore

conformance: install ## play recorded provider traffic through a gateway, where RECORDINGS and HARNESS are there
	@$(RUN) --no-sync python tests/conformance/run.py --recordings $(RECORDINGS) --harness $(HARNESS) \
	  --python "$(UV) run --no-project $(addprefix --with ,$(HARNESS_NEEDS)) python"

clean: ## remove what the other targets made
	rm -rf .venv .tools $(NODE_CLIENTS) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
