# The one interface: `make help`. Needs Python 3.11 to 3.14 and a package index; installs the rest into this folder.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
# The project's own environment, of the Python that was named; another one is downloaded on request only.
export UV_PYTHON_DOWNLOADS ?= manual
export UV_PROJECT_ENVIRONMENT = .venv
# What Python and pytest compile is kept, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
RUN = $(PYTHON) -m scripts.bootstrap run
# Of pytest. For 2 processors: tests wait a quarter of their time for clocks and for processes that they ended.
WORKERS ?= 3
# What tests start is not make's business.
TESTS = MAKEFLAGS= $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Those that need only Python and a package index.
ANYWHERE = not engine and not docker and not corpora and not browser

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | sort | expand -t 18

.PHONY: env
# Compiled once: emulator and functions write no bytecode, and each of the hundreds that tests start would do it again.
env: export UV_COMPILE_BYTECODE = 1
env: ## Make the environment with everything in it (.venv)
	@$(MAKE) --no-print-directory sync GROUP=test
	@$(RUN) -m compileall -q -x layer_builds/layers/ components lambdas layer_builds packages sandbox scripts tests

.PHONY: sync
sync:
	@$(PYTHON) -m scripts.bootstrap sync $(GROUP)

.PHONY: demo
demo: ## Build, deploy on the local cloud, show what each system does, clean up: [SYSTEM="embedding …"]
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox demo $(SYSTEM) $(ARGS)

.PHONY: up
up: ## Keep the local cloud running until Ctrl-C, and print its endpoints: [SYSTEM="embedding …"]
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox up $(SYSTEM) $(ARGS)

.PHONY: test
test: env lint ## Lint, types and all tests
	@$(MAKE) --no-print-directory -j2 -o env types tests

# The type checker has one processor's work of a minute, so it runs beside them.
.PHONY: tests
tests: env
	@$(TESTS) -m "$(ANYWHERE)" $(ARGS)

.PHONY: quick
quick: ## As many tests as fit into a minute, the cheapest first
	@$(MAKE) --no-print-directory most ARGS="--quick $(ARGS)"

.PHONY: most
most: env ## All tests but whole builds and deployments
	@$(TESTS) -m "not slow and $(ANYWHERE)" $(ARGS)

.PHONY: engine
engine: env ## Drive the real pulumi CLI (skipped, loudly, where there is none)
	@$(RUN) -m pytest -m engine tests/engine $(ARGS)

.PHONY: docker-tests
docker-tests: env ## Build layers inside Docker; build, push and run container images (skipped, loudly, where there is none)
	@$(RUN) -m pytest -m docker tests/layer_builds tests/sandbox $(ARGS)

.PHONY: browser-tests
browser-tests: ## Use the page of knowledge_base in a real browser (skipped, loudly, where there is none)
	@$(MAKE) --no-print-directory sync GROUP=browser
	@$(RUN) -m pytest -m browser tests/browser $(ARGS)

.PHONY: corpora
corpora: env ## Fetch other people's hostile PDFs (Debian's sources), and read every one of them
	@$(RUN) -m tests.corpora fetch || echo "not fetched: the tests that read them say so"
	@$(RUN) -m pytest -n 2 -m corpora tests/lambdas $(ARGS)

.PHONY: lint
lint: env ## ruff (lint and format), shellcheck where it is installed
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run scripts/*.sh .github/scripts/*.sh; else echo "shellcheck is not installed: the shell scripts were not checked"; fi

.PHONY: format
format: env ## Let ruff fix what it can
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
	@$(RUN) -m scripts.scaffold function "$(NAME)" --trigger "$(TRIGGER)" $(foreach layer,$(LAYER),--layer "$(layer)") $(foreach stack,$(STACKS),--stack "$(stack)") $(ARGS)

.PHONY: new-layer
new-layer: env ## Write, lock and build a layer: NAME=… [REQUIREMENTS="…"|@file] [AFTER="…"] [RUNTIMES="…"] [ARCHITECTURES="…"]
	@$(RUN) -m scripts.scaffold layer "$(NAME)" --requirements "$${REQUIREMENTS:-}" $(foreach one,$(AFTER),--after "$(one)") $(foreach one,$(RUNTIMES),--runtime "$(one)") $(foreach one,$(ARCHITECTURES),--architecture "$(one)") $(ARGS)

.PHONY: upgrade
upgrade: env ## Take a newer version of one package in every layer that holds it: PACKAGE=…
	@$(RUN) -m scripts.upgrade "$(PACKAGE)" $(ARGS)

.PHONY: chaos
chaos: ## All systems under a seeded plan of faults; then count what was lost: [SYSTEM="embedding …"]
	@$(MAKE) --no-print-directory sync GROUP=sandbox
	@$(RUN) -m sandbox chaos $(SYSTEM) $(ARGS)

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
