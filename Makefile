# make demo     run the main job end to end on a small tree (or on DIR=/your/tree)
# make test     run all tests
# make test-systemd  the service, in a booted system in a container (as root)
# make check    format, lint, types, layers
# make sanitize the compiled part, under AddressSanitizer and UndefinedBehaviorSanitizer
# make soak     use one mount in every way at once (MINUTES=10), and see nothing left over
# make stress   change a source in every way, with fixed seeds, and compare (ARGS="--seeds 2")
# make fuzz     random input for all that is read (ARGS="--executions 10000000")
# make bench    compare with gocryptfs, EncFS and a C passthrough (ARGS="--only walk")
# make install  only build .venv with .venv/bin/revcrypt
#
# make install-system    install for the whole machine: where mount(8) and systemd look
# make uninstall-system  take that away again; /etc/revcrypt stays

PYTHON ?= python3
VENV   ?= .venv
STAMP  := $(VENV)/.installed

# Others than root run revcrypt too (pull-shell), so not a Python in somebody's home.
SYSTEM_PYTHON ?= /usr/bin/python3
SYSTEM_VENV   ?= /opt/revcrypt
PREFIX        ?= /usr/local
UNITS         := $(PREFIX)/lib/systemd/system

# pyfuse3 is compiled when it is installed; rsync and gocryptfs are for demo and tests.
# libssl-dev is for the compiled cipher.
BUILD_PACKAGES := gcc libc6-dev pkg-config libfuse3-dev fuse3 libssl-dev \
	python3-venv python3-dev
TEST_PACKAGES  := rsync gocryptfs encfs git \
	rsnapshot restic borgbackup rclone openssh-server

.PHONY: install demo test test-systemd soak stress fuzz sanitize bench check \
	format install-system uninstall-system clean
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): pyproject.toml setup.py $(wildcard revcrypt/format/*.[ch])
	.ci/system-packages $(BUILD_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP)
	.ci/system-packages rsync
	$(VENV)/bin/python docs/demo.py $(if $(DIR),"$(DIR)")

# More than processors: much of the time, a test waits for a program to start or to end.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))
test: $(STAMP)
	.ci/system-packages $(TEST_PACKAGES)
	$(VENV)/bin/pytest -n $(JOBS) --dist loadfile $(ARGS)

test-systemd: $(STAMP)
	.ci/system-packages $(TEST_PACKAGES) systemd-container debootstrap
	$(VENV)/bin/python -m tests.systemd.tree
	REVCRYPT_REQUIRE_SYSTEMD=1 $(VENV)/bin/pytest -m systemd tests/systemd $(ARGS)

MINUTES ?= 10
soak: $(STAMP)
	.ci/system-packages $(TEST_PACKAGES)
	$(VENV)/bin/python -m tests.soak $(MINUTES)

# fsstress (xfstests, LTP) is in no package; where it is in PATH, it is what works.
stress: $(STAMP)
	.ci/system-packages $(TEST_PACKAGES) stress-ng
	$(VENV)/bin/python -m tests.hostile $(ARGS)

# The interpreter itself leaks at its end, and is not what is tested.
SANITIZED := build/sanitized
sanitize: $(STAMP)
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r revcrypt tests pyproject.toml $(SANITIZED)
	rm -f $(SANITIZED)/revcrypt/format/*.so
	$(CC) -g -O1 -Wall -Wextra -Werror -fPIC -shared -fno-omit-frame-pointer \
		-fsanitize=address,undefined -fno-sanitize-recover=all \
		-DPy_LIMITED_API=0x030B0000 -I"$$($(VENV)/bin/python -c \
		'import sysconfig; print(sysconfig.get_path("include"))')" \
		revcrypt/format/*.c -lcrypto \
		-o $(SANITIZED)/revcrypt/format/_bulk.abi3.so
	asan="$$($(CC) -print-file-name=libasan.so)"; \
	ubsan="$$($(CC) -print-file-name=libubsan.so)"; cd $(SANITIZED) && \
		LD_PRELOAD="$$asan $$ubsan" ASAN_OPTIONS=detect_leaks=0 \
		$(CURDIR)/$(VENV)/bin/python -m pytest -s -p no:cacheprovider \
		tests/format/test_bulk.py tests/format/test_content.py \
		tests/format/test_names.py tests/format/test_names_text.py $(ARGS)

# atheris is large, and needs a Python for which it was compiled.
FUZZ_STAMP := $(VENV)/.fuzz-installed
fuzz: $(FUZZ_STAMP)
	$(VENV)/bin/python -m tests.fuzz $(ARGS)

$(FUZZ_STAMP): $(STAMP)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	touch $@

# The plot needs matplotlib, which is not for everybody who runs the tests.
BENCH_STAMP := $(VENV)/.bench-installed
bench: $(BENCH_STAMP)
	.ci/system-packages rsync gocryptfs encfs gcc libc6-dev pkg-config libfuse3-dev
	$(VENV)/bin/python -m tests.bench $(ARGS)

$(BENCH_STAMP): $(STAMP)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

install-system:
	.ci/system-packages $(BUILD_PACKAGES)
	umask 022 && $(SYSTEM_PYTHON) -m venv --clear $(SYSTEM_VENV)
	umask 022 && $(SYSTEM_VENV)/bin/pip install --quiet --disable-pip-version-check .
	install -d $(PREFIX)/bin $(UNITS) /etc/revcrypt
	ln -sf $(SYSTEM_VENV)/bin/revcrypt $(PREFIX)/bin/revcrypt
	install -m 644 systemd/revcrypt@.service $(UNITS)
	-[ ! -d /run/systemd/system ] || systemctl daemon-reload

uninstall-system:
	rm -rf $(SYSTEM_VENV) $(PREFIX)/bin/revcrypt $(UNITS)/revcrypt@.service
	-[ ! -d /run/systemd/system ] || systemctl daemon-reload

clean:
	rm -rf $(VENV) build *.egg-info .*_cache .hypothesis
