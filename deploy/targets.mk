# What people type. Anything that needs packages goes through a second make, because pkg-config is asked while reading the Makefile.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MAKE_QUIET := $(MAKE) --no-print-directory -j$(JOBS)

# Tests that are make targets of their own; each counts as one.
SUITES := $(if $(wildcard deploy/fuzz.mk),make:fuzz-replay) $(if $(wildcard deploy/sim.mk),make:sim)
LONG_SUITES := $(if $(wildcard deploy/fuzz.mk),make:fuzz) $(if $(wildcard deploy/sim.mk),make:sim)
UNIT_TESTS = $(patsubst %.c,build/san/%,$(TEST_SRC))
DOUBLE_TESTS = $(patsubst %.c,build/double/%,$(DOUBLE_SRC))
SYSTEM_TESTS := $(sort $(wildcard tests/system/*.sh))
CONTAINER_TESTS := $(sort $(wildcard tests/container/*.sh))
LONG_TESTS := $(sort $(wildcard tests/long/*.sh))

.PHONY: build-check build-test

deps:
	$(Q)sh deploy/install-deps

run: deps
	$(Q)$(MAKE_QUIET) bin/testudo
	$(Q)bin/testudo demo

build-check:
	$(Q)$(MAKE_QUIET) PROFILE=san tests
build-test: build-check
	$(Q)$(MAKE_QUIET) PROFILE=san program
	$(Q)$(MAKE_QUIET) PROFILE=double doubles
	$(Q)$(MAKE_QUIET) bin/testudo

check: deps
	$(Q)$(MAKE_QUIET) build-check
	$(Q)tests/run $(UNIT_TESTS)

# Python packages that only tests use; the test that needs them is skipped, and says so, where they cannot be fetched.
.PHONY: python-tools
python-tools:
	$(Q)[ -e build/venv/.made ] || { python3 -m venv build/venv && build/venv/bin/pip install -q kubernetes-validate && \
	    touch build/venv/.made; } || echo 'not installed: kubernetes-validate; the test that needs it will be skipped' >&2

test: deps
	$(Q)sh deploy/install-deps tests
	$(Q)$(MAKE_QUIET) python-tools build-test
	$(Q)tests/run $(SUITES) $(SYSTEM_TESTS) $(UNIT_TESTS) $(DOUBLE_TESTS)

system: deps
	$(Q)$(MAKE_QUIET) build-test
	$(Q)tests/run $(SYSTEM_TESTS)

container-test: deps
	$(Q)$(MAKE_QUIET) bin/testudo
	$(Q)tests/run --jobs 1 $(CONTAINER_TESTS)

test-long: deps
	$(Q)sh deploy/install-deps tests
	$(Q)$(MAKE_QUIET) build-test
	$(Q)SEEDS=20000 FUZZ_SECONDS=600 tests/run --timeout 14400 $(LONG_SUITES) $(LONG_TESTS)

bench: deps
	$(Q)$(MAKE_QUIET) bin/testudo
	$(Q)bin/testudo bench

# envs/README.md and its pictures.
.PHONY: gallery
gallery: deps
	$(Q)$(MAKE_QUIET) bin/testudo
	$(Q)bin/testudo envs gallery envs

format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

install: bin/testudo
	install -D -m 755 bin/testudo $(DESTDIR)$(PREFIX)/bin/testudo
	cd deploy/recipes && find . -name '*.yaml' -exec install -D -m 644 {} $(DESTDIR)$(abspath $(PREFIX))/share/testudo/recipes/{} \;

help:
	@echo 'make run        build, then train a plain and a robust team, attack both, print the table (a few minutes)'
	@echo 'make test       everything that must hold at every commit, with ASan and UBSan (at most ten minutes)'
	@echo
	@echo 'make            bin/testudo'
	@echo 'make check      unit tests only (at most two minutes)'
	@echo 'make system     tests of the whole program: command line, crashes, same result from any number of actors'
	@echo 'make container-test  the cluster of docker-compose.yml on this machine'\''s Docker engine'
	@echo 'make test-long  the suites that take longer'
	@echo 'make fuzz       fuzz what reads bytes from the network or a disk'
	@echo 'make bench      speed of the parts on this machine'
	@echo 'make gallery    pictures of all environments and the page envs/README.md'
	@echo 'make format     clang-format over all sources'
	@echo 'make deps       install the packages that are missing (Debian and its like)'
	@echo 'make install    bin/testudo and recipes to PREFIX=/usr/local'
	@echo 'make clean      remove build/ and bin/'
	@echo
	@echo 'variables: V=1 show commands, JOBS=2, CC=gcc, PROFILE=release|san|tsan|double|fuzz for single targets'
