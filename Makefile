# Everything a person or a CI runs. Needs Python 3.11 or newer with pip, make and git; fetches uv if it is missing.

SHELL := /bin/bash
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/.tools/bin/uv)
RUN := $(UV) run --frozen
SOURCES := $(wildcard packages/*/src apps/*/src)

.PHONY: run install check fmt test bench bench-rivals conformance clean help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: install ## start the gateway (with the built-in simulator unless accounts are configured)
	@GATEWAY_PRINT_SECRETS=1 $(RUN) --no-sync gateway serve

install: .venv/.synced

.venv/.synced: uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml apps/*/pyproject.toml) | uv
	@$(UV) sync --frozen --quiet
	@touch $@

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

test: install ## every suite but the slow ones and the benchmarks
	$(RUN) pytest -m "not slow and not bench"

bench: install ## measure; prints figures, gates nothing
	@$(RUN) --no-sync python tests/bench/rivals.py

# LiteLLM comes with what it would else try to import, and fail, in each request, and with the faster HTTP parser.
RIVAL := "litellm[proxy]" httptools opentelemetry-sdk opentelemetry-exporter-otlp

bench-rivals: install .tools/litellm/.installed ## the same, and LiteLLM's proxy beside it
	@$(RUN) --no-sync python tests/bench/rivals.py --litellm .tools/litellm

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
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
