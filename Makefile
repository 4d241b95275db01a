# Every target works on a machine with Python 3.10 or newer and make alone: it makes .venv, installs into it what the
# target needs, and installs again only when pyproject.toml, constraints.txt or this file have changed.
#
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu    the CPU build of torch, a tenth of the download
#   make test PIP_ARGS="--no-index --find-links wheels"           anything else that pip should know
#   make test PYTEST_ARGS="-k rle -x"                             anything that pytest should know
#   make bench BENCH_ARGS="--device cuda --repeats 20"            anything that both benchmarks should know

PYTHON ?= python3
TORCH_INDEX ?=
PIP_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL = $(PY) -m pip install --disable-pip-version-check --quiet --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(PIP_ARGS)
INPUTS := pyproject.toml constraints.txt Makefile

.PHONY: help demo test slow gpu network check bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1@/' | column -t -s @ 2>/dev/null \
		|| grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-core ## segment a photograph by a click and a box, into out/
	$(PY) examples/demo.py

test: $(VENV)/.installed-test ## the tests that need neither a GPU, nor a network, nor patience
	$(PY) -m pytest $(PYTEST_ARGS)

slow gpu network: $(VENV)/.installed-test
	$(PY) -m pytest -m $@ $(PYTEST_ARGS)
slow: ## the tests that take long
gpu: ## the tests that need a CUDA device
network: ## the tests that need a connection

check: $(VENV)/.installed-dev ## lint, format and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m basedpyright

bench: $(VENV)/.installed-test ## measure speed: nano alone, and a published size beside its peers
	$(PY) -m masklet bench $(BENCH_ARGS)
	$(PY) benchmarks/bench_peers.py --image-size 512 $(BENCH_ARGS)

clean: ## remove .venv, out/ and caches
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis

$(PY):
	@command -v '$(PYTHON)' >/dev/null || { \
		echo "there is no '$(PYTHON)'; masklet needs Python 3.10 or newer: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "masklet needs Python 3.10 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1);" \
			"name another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module; install it first (on Debian and Ubuntu: apt install python3-venv)" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed-core: $(INPUTS) | $(PY)
	$(PIP_INSTALL) --editable .
	@touch $@

# Tools that tests compare with, of which a part is needed: vos-benchmark and datumaro ask for other builds of OpenCV
# than the one that is here, LabelMe for windows and models, Label Studio's package for what its server needs.
$(VENV)/.installed-test: $(INPUTS) | $(PY)
	$(PIP_INSTALL) --editable '.[test]'
	$(PIP_INSTALL) --no-deps vos-benchmark datumaro label-studio-sdk labelme
	@touch $@

$(VENV)/.installed-dev: $(INPUTS) | $(PY)
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
