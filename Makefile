# The one interface: `make help`. Needs Python 3.11 to 3.13 and a package index; installs the rest into this folder.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
INTERPRETER = $(shell $(PYTHON) -c 'import sys; print(sys.executable)')
# The project's own Python and tools, and no interpreter downloaded behind the user's back.
export UV_PYTHON_DOWNLOADS ?= manual
export UV_PROJECT_ENVIRONMENT = .venv
RUN = PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | sort | expand -t 18

.PHONY: env
env: ## Make the environment with everything in it (.venv)
	@$(MAKE) --no-print-directory sync GROUP=test

.PHONY: sync
sync:
	@uv="$$($(PYTHON) scripts/bootstrap.py)" && "$$uv" sync --quiet --frozen --inexact --group $(GROUP) --python "$(INTERPRETER)"

.PHONY: demo
demo: ## Build the layer, deploy on the local cloud, send documents, search, clean up
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox demo $(ARGS)

.PHONY: up
up: ## Keep the local cloud running until Ctrl-C, and print its endpoints
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox up $(ARGS)

.PHONY: test
test: env lint types ## Lint, types and all tests
	@$(RUN) -m pytest -n 2 --dist loadfile -m "not engine and not docker" $(ARGS)

.PHONY: quick
quick: env ## The tests that build and deploy nothing
	@$(RUN) -m pytest -n 2 --dist loadfile -m "not slow and not engine and not docker" $(ARGS)

.PHONY: engine
engine: env ## Drive the real pulumi CLI (skipped, loudly, where there is none)
	@$(RUN) -m pytest -m engine tests/engine $(ARGS)

.PHONY: docker-tests
docker-tests: env ## Build layers inside Docker (skipped, loudly, where there is none)
	@$(RUN) -m pytest -m docker tests/layer_builds $(ARGS)

.PHONY: lint
lint: env ## ruff (lint and format), shellcheck where it is installed
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run scripts/*.sh .github/scripts/*.sh; else echo "shellcheck is not installed: the shell scripts were not checked"; fi

.PHONY: format
format: env ## Let ruff mend what it can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

.PHONY: types
types: env ## basedpyright, strict
	@$(RUN) -m basedpyright --pythonpath .venv/bin/python

.PHONY: layers
layers: env ## Build and verify every layer for every runtime and architecture
	@$(RUN) -m layer_builds build --all $(ARGS)

.PHONY: new-function
new-function: env ## Write a function that runs: NAME=… TRIGGER=queue|topic|bucket|http [LAYER="…"] [STACKS="dev prod"]
	@$(RUN) -m scripts.scaffold function "$(NAME)" --trigger "$(TRIGGER)" $(foreach one,$(LAYER),--layer "$(one)") $(foreach one,$(STACKS),--stack "$(one)") $(ARGS)

.PHONY: new-layer
new-layer: env ## Write, lock and build a layer: NAME=… [REQUIREMENTS="…"] [AFTER="…"]
	@$(RUN) -m scripts.scaffold layer "$(NAME)" $(foreach one,$(REQUIREMENTS),--requirement "$(one)") $(foreach one,$(AFTER),--after "$(one)") $(ARGS)

.PHONY: upgrade
upgrade: env ## Take a newer version of one package in every layer that holds it: PACKAGE=…
	@$(RUN) -m scripts.upgrade "$(PACKAGE)" $(ARGS)

.PHONY: chaos
chaos: ## 1,000 messages under a seeded fault plan; then count what was lost
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox chaos $(ARGS)

.PHONY: audit
audit: env ## Known vulnerabilities of everything that the locks pin
	@$(RUN) -m layer_builds audit $(ARGS)

.PHONY: sbom
sbom: env ## A bill of materials (CycloneDX) for each layer
	@$(RUN) -m layer_builds sbom --all $(ARGS)

.PHONY: licences
licences: env ## Licences of what each layer holds, copyleft flagged
	@$(RUN) -m layer_builds licences --all $(ARGS)

.PHONY: clean
clean: ## Remove what builds and sandboxes left in this folder
	@rm -rf .build .sandbox .pytest_cache .ruff_cache
