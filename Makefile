# make demo     run the main job end to end on a small tree (or on DIR=/your/tree)
# make test     run all tests
# make check    format, lint, types, layers
# make install  only build .venv with .venv/bin/revcrypt

PYTHON ?= python3
VENV   ?= .venv
STAMP  := $(VENV)/.installed

# pyfuse3 is compiled when it is installed; rsync and gocryptfs are for demo and tests.
BUILD_PACKAGES := gcc libc6-dev pkg-config libfuse3-dev fuse3 python3-venv python3-dev
TEST_PACKAGES  := rsync gocryptfs

.PHONY: install demo test check format clean
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): pyproject.toml
	.ci/system-packages $(BUILD_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP)
	.ci/system-packages rsync
	$(VENV)/bin/python docs/demo.py $(if $(DIR),"$(DIR)")

test: $(STAMP)
	.ci/system-packages $(TEST_PACKAGES)
	$(VENV)/bin/pytest $(ARGS)

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) build *.egg-info .*_cache .hypothesis
