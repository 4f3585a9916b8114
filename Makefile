# `make demo` and `make test` set up all they need in .venv, given Python 3.11+ and make.

PYTHON ?= python3
BIN := .venv/bin
BOUND := $(BIN)/pacbayes-bound
SAMPLE := pacbayes/sample

.DEFAULT_GOAL := help
.PHONY: help demo test lint package docs notebooks clean

help: ## say what the targets do
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST))

demo: .venv/.installed ## certify the sample models, three difficulties, into runs/demo
	@set -e; for s in easy medium hard; do \
		$(BOUND) --checkpoint $(SAMPLE)/adapters/$$s --data $(SAMPLE)/data/$$s.jsonl \
			--held-out $(SAMPLE)/data/$$s.held_out.jsonl --loss exact --loss token \
			--passes 1 --out runs/demo/$$s; \
	done

test: lint ## run the linters, the type checker and the tests, one process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile \
		--no-loadscope-reorder

lint: .venv/.installed ## run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: .venv/.installed ## build sdist and wheel into dist, and certify with the wheel alone elsewhere
	$(BIN)/python .ci/package.py

docs: .venv/.documenting ## build the documentation site in build/docs; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: .venv/.installed ## run the notebooks and write them with their figures to build/notebooks
	@mkdir -p build/notebooks
	@set -e; for source in notebooks/*.py; do \
		written=build/notebooks/$$(basename $$source .py).ipynb; \
		$(BIN)/jupytext --quiet --to ipynb --output $$written.part.ipynb $$source; \
		$(BIN)/jupyter-execute --inplace $$written.part.ipynb; \
		mv $$written.part.ipynb $$written; \
	done

clean: ## remove the environment, caches and the demo's results
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build dist *.egg-info runs/demo
	find pacbayes tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
			"name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv; the first time downloads a few hundred megabytes or more."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	@touch $@

# modules are read as text, but the page of commands asks the program
.venv/.documenting: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]' --constraint constraints.txt
	@touch $@
