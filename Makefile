.DEFAULT_GOAL := help
SHELL := /bin/bash
# Where it is set, each program that starts compiles torch and all else it imports anew, which takes 4 to 10 seconds.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3.11
ifeq (, $(shell command -v $(PYTHON) 2>/dev/null))
PYTHON := python3
endif
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
FAST := $(addprefix tests/,common schemas docs/test_names.py \
	$(addprefix preprocess/,formats sources planning conditioning loading) \
	$(addprefix train/,models diffusion configuration runs hardware reporting inference/test_pair_selection.py))
DEMO := demo
LOOKS := 200
SLOW :=

.PHONY: help install demo demo-figures test test-fast test-slow test-lowest lint docs format schemas bench learn card clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

install: $(VENV)/.installed  ## Make .venv with both programs and the development tools

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
		--constraint constraints.txt --editable '.[train,dev,docs]'
	touch $@

demo: install  ## Draw a dataset, build shards, train the nano cascade, dress people: an image in minutes
	$(BIN)/prep sample-data --out $(DEMO)/aihub --looks $(LOOKS)
	$(BIN)/prep build-shards --src $(DEMO)/aihub --out $(DEMO)/shards
	$(BIN)/trainer fit --shards $(DEMO)/shards --runs $(DEMO)/runs --preset nano
	$(BIN)/trainer sample --runs $(DEMO)/runs --shards $(DEMO)/shards --out $(DEMO)/samples

demo-figures: install  ## Measure what make demo trained: is the worn garment recognised among 20?
	$(BIN)/trainer evaluate --runs $(DEMO)/runs --shards $(DEMO)/shards --pairs 8 --retrieval 20

test: install  ## Run all tests except the slow ones, in parallel: 5 to 12 minutes on two cores
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"

test-fast: install  ## Run only tests that neither start programs nor train, for the inner loop
	$(BIN)/pytest -n auto --dist loadfile -m "not slow" $(FAST)

test-slow: install  ## Run the slow tests, of SLOW=FOLDERS alone; with SLOW_MINUTES=30 none is started after 30 minutes
	SLOW_MINUTES=$(SLOW_MINUTES) $(BIN)/pytest -n auto --dist loadfile -m slow $(SLOW) \
		|| $(BIN)/pytest -m slow --last-failed --last-failed-no-failures none $(SLOW)

test-lowest: $(LOWEST)/.installed  ## Run the fast tests with the lowest versions that pyproject.toml declares
	PYTHONPATH=. $(LOWEST)/bin/python -m pytest -n auto --dist loadfile -m "not slow" $(FAST)

# Everything else comes from .venv: only what is declared is older.
$(LOWEST)/.installed: $(VENV)/.installed .ci/lowest_versions.py
	$(BIN)/python -m venv --clear --without-pip $(LOWEST)
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' \
		> "$$($(LOWEST)/bin/python -c 'import site; print(site.getsitepackages()[0])')/parent.pth"
	$(BIN)/python -m pip --python $(LOWEST)/bin/python install --quiet --disable-pip-version-check \
		$$($(BIN)/python .ci/lowest_versions.py | grep -v '^torch==')
	touch $@

lint: install  ## Check format, style, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: install  ## Build the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: install  ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: install  ## Write the JSON Schema of the shards' files
	$(BIN)/python -m schemas

bench: install  ## Run the benchmarks; each prints a table
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

learn: install  ## Train the cascade for an hour on drawn people and measure swaps against their ground truth
	$(BIN)/python benchmarks/learning/study.py

ifdef CARD_PYTHON
card:  ## Test and measure on a CUDA card, write docs/measurements/card.md; CARD_PYTHON=python3 needs no .venv
	$(CARD_PYTHON) benchmarks/card/run.py $(CARD_ARGS)
else
card: install
	$(BIN)/python benchmarks/card/run.py $(CARD_ARGS)
endif

clean:  ## Remove the demo's files
	rm -rf $(DEMO)
