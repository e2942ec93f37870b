# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makefile - build, test and measure Sluice; `make help` lists the targets
#
# One make process knows every dependency: each room adds its share in its
# own rules.mk, which is read here and never run by itself. All paths are
# relative to the top of the checkout.
#
# Set on the command line:
#   B=DIR        where everything built goes  (build, or build/asan)
#   V=1          show the commands
#   WERROR=1     warnings are errors
#   SANITIZE=1   ASan and UBSan for what runs on the host
#   CFLAGS_EXTRA= LDFLAGS_EXTRA=   added for what runs on the host
#   CCACHE=      compile without ccache
#   QEMU_SRC= LWIP_SRC= REDIS_SRC= MEMCACHED_SRC=   upstream sources: a
#                directory or tarball
#
# For the rules.mk files:
#   $(B) $(Q)              output directory; @ unless V=1
#   $(CC) $(CFLAGS_HOST) $(LDFLAGS_HOST)   programs that run on the host
#   $(CC) $(WARN_FLAGS)    guest code adds its own flags to the warnings
#   $(QEMU)                the patched qemu-system-x86_64
#   $(QEMU_TREE) $(QEMU_BUILD)   its source and build directories
#   $(LWIP_TREE)           unpacked lwIP source   (depend on $(LWIP_STAMP))
#   $(REDIS_SERVER), $(MEMCACHED)   static, in $(B)/guest-programs
#   $(PYTHON) $(VENV)      Python with tests/requirements.txt
#                                             (depend on $(VENV_STAMP))
#   $(call say,CC,$@)      prints the short line of a quiet build
#   ALL += files           built by `make`
#   CLEAN += paths         removed by `make clean` beside $(B)
#   CHECK_UNIT += programs, CHECK_CRASH += programs, CHECK_QTEST += programs,
#   CHECK_LIBC_LINUX += programs   run as `PROGRAM --tap`, must print TAP
#   CHECK_GUEST, CHECK_FUNCTIONAL, CHECK_MATRIX, CHECK_INSTALL, CHECK_KVM,
#   CHECK_HOSTS =          command that prints TAP, or `--avocado DIR command`
#                          (see scripts/run-suite)
#   CHECK_<SUITE>_DEPS += files   what these need built first
#   BENCH, DEMO = command;  BENCH_DEPS, DEMO_DEPS += files
#   INSTALL_BIN, _LIBEXEC, _LIB, _INCLUDE, _MAN, _UNIT += files

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/sh

ifeq ($(SANITIZE),1)
B ?= build/asan
else
B ?= build
endif

ifeq ($(V),1)
Q :=
say =
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sluice

# Processors to use where nobody said -j.
JOBS ?= $(shell nproc)
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

# --- compilers ---------------------------------------------------------------

CCACHE ?= $(shell command -v ccache)
export CCACHE_DIR ?= $(CACHE)/ccache
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export CCACHE_MAXSIZE ?= 2G
ifeq ($(origin CC),default)
CC := gcc
endif
# A make that this one starts gets CC from the environment as it is here.
HOST_CC := $(patsubst %ccache,,$(CC))
ifneq ($(and $(CCACHE),$(if $(findstring ccache,$(CC)),,1)),)
override CC := $(CCACHE) $(CC)
endif

WARN_FLAGS := -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)
CFLAGS_HOST := -O2 -g -std=gnu11 $(WARN_FLAGS) -fstack-protector-strong \
	$(CFLAGS_EXTRA)
LDFLAGS_HOST := -Wl,-z,relro,-z,now $(LDFLAGS_EXTRA)
ifeq ($(SANITIZE),1)
# _FORTIFY_SOURCE hides errors from ASan, so it is one or the other.
SANITIZE_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
CFLAGS_HOST += $(SANITIZE_FLAGS)
LDFLAGS_HOST += $(SANITIZE_FLAGS)
else
CFLAGS_HOST += -D_FORTIFY_SOURCE=2
endif
CPPFLAGS_HOST := -I. -D_GNU_SOURCE

# --- what the rooms add ------------------------------------------------------

ALL :=
CLEAN :=
CHECK_UNIT :=
CHECK_CRASH :=
CHECK_QTEST :=
CHECK_LIBC_LINUX :=
INSTALL_BIN :=
INSTALL_LIBEXEC :=
INSTALL_LIB :=
INSTALL_INCLUDE :=
INSTALL_MAN :=
INSTALL_UNIT :=

.PHONY: all
all: ## build everything: QEMU, the guest's parts, ckptd

VENV := $(CACHE)/venv-$(shell sha256sum tests/requirements.txt 2>/dev/null | \
	cut -c1-12)
VENV_STAMP := $(VENV)/.complete
PYTHON := $(VENV)/bin/python3

$(VENV_STAMP): tests/requirements.txt scripts/setup
	$(call say,VENV,$(VENV))
	$(Q)scripts/setup --venv

# The sources of others first: the rooms' prerequisites name them.
-include scripts/rules.mk
-include abi/rules.mk
-include qemu-patches/rules.mk
-include guest-kernel/rules.mk
-include guest-libc/rules.mk
-include ckptd/rules.mk
-include tests/rules.mk

all: $(ALL)

# --- tests -------------------------------------------------------------------

# In this order: what is quick, and what says most precisely where it hurts,
# comes first.
SUITES ?= abi style unit crash qtest libc-linux guest functional \
	matrix install kvm hosts
RESULTS := $(B)/results
# What the counts of the sanitized build are told apart by.
SUITE_SUFFIX :=
REPEATS := $(if $(SUITE_SUFFIX),--repeats)
# All starters and both ways to move, with what dies there; short.
SANITIZED_TESTS ?= $(addprefix tests/functional/,test_kills.py \
	test_by_hand.py:OneCommandLine \
	test_libvirt.py:Crashes.test_crash_while_nobody_looked \
	test_libvirt.py:Virsh.test_shutdown_and_reboot \
	test_move.py:Move.test_crash_after_a_move_recovers_there \
	test_move.py:Cut.test_operator_decides test_qemu_move.py:Faults)
ifeq ($(CHECK_SANITIZED),1)
CHECKS := sanitized
SUMS := unit-asan functional-asan
endif
# Who names the tests to run does not run all that are planned.
PLAN = $(if $(filter-out $(SANITIZED_TESTS),$(TESTS))$(if \
	$(TESTS),$(filter-out $(TESTS),$(SANITIZED_TESTS))),,--plan tests/plan)
RUN_SUITE = $(if $(filter 1,$(V)),V=1 )scripts/run-suite --results $(RESULTS) \
	$(PLAN)

.PHONY: check check-sanitized $(SUITES:%=check-%)

check: check-run ## run every suite, then print the sum over all of them
	$(Q)$(SUM)

# scripts/check runs these two itself: its last line is to be the sum, where
# make would still say that it failed. A suite that cannot be built counts as
# a failure, the others still run.
SUM = scripts/run-suite --results $(RESULTS) --sum $(SUITES) $(SUMS)
.PHONY: check-run plan sum-command
check-run:
	$(Q)rm -rf $(RESULTS)
	+$(Q)$(MAKE) --no-print-directory $(PARALLEL) all || :
	+$(Q)for s in $(SUITES) $(CHECKS); do \
		$(MAKE) --no-print-directory check-$$s || :; done

plan: ## note how many tests each suite has, after `make check`
	$(Q)scripts/run-suite --results $(RESULTS) \
		--write-plan tests/plan $(SUITES) $(SUMS)

.PHONY: mutants
mutants: all ## break promises one at a time: does a test notice each?
	$(Q)tests/mutants/run $(B) $(MUTANTS)

sum-command:
	@echo '$(SUM)'

check-unit: $(CHECK_UNIT) $(CHECK_UNIT_DEPS) ## unit tests: no network, no root
	$(Q)$(RUN_SUITE) $(REPEATS) unit$(SUITE_SUFFIX) --each $(CHECK_UNIT)

check-crash: $(CHECK_CRASH) $(CHECK_CRASH_DEPS) ## every sync point of the store
	$(Q)$(RUN_SUITE) crash --each $(CHECK_CRASH)

check-qtest: $(CHECK_QTEST_DEPS) ## the NIC's registers and rings, by qtest
	$(Q)$(RUN_SUITE) qtest --each $(CHECK_QTEST)

check-libc-linux: export SLUICE_BUILD = $(B)
check-libc-linux: $(CHECK_LIBC_LINUX_DEPS) ## the system library, on Linux
	$(Q)$(RUN_SUITE) libc-linux --each $(CHECK_LIBC_LINUX)

check-guest: $(CHECK_GUEST_DEPS) ## test programs inside the guest
	$(Q)$(RUN_SUITE) guest $(CHECK_GUEST)

check-functional: all $(CHECK_FUNCTIONAL_DEPS) ## whole system, kills included
	$(Q)$(RUN_SUITE) $(REPEATS) functional$(SUITE_SUFFIX) $(CHECK_FUNCTIONAL)

check-matrix: all $(CHECK_FUNCTIONAL_DEPS) ## every pair of network, starter, fault
	$(Q)$(RUN_SUITE) matrix $(CHECK_MATRIX)

check-install: all $(CHECK_INSTALL_DEPS) ## an outsider's test, installed tree
	$(Q)$(RUN_SUITE) install $(CHECK_INSTALL)

check-kvm: all $(CHECK_KVM_DEPS) ## the same on real KVM, in a virtual host
	$(Q)$(RUN_SUITE) --repeats kvm $(CHECK_KVM)

check-hosts: all $(CHECK_HOSTS_DEPS) ## two hosts with kernels of their own
	$(Q)$(RUN_SUITE) hosts $(CHECK_HOSTS)

check-abi: ## contract headers compile alone and keep their layout
	$(Q)$(RUN_SUITE) --files abi scripts/check-abi '$(HOST_CC)'

check-style: $(CHECK_STYLE_DEPS) ## formatting, lengths, the patch series
	$(Q)$(RUN_SUITE) --files style scripts/check-style $(QEMU_TREE)

check-sanitized: ## unit tests and some functional ones under ASan and UBSan
	+$(Q)for s in unit functional; do \
		$(MAKE) --no-print-directory SANITIZE=1 RESULTS=$(RESULTS) \
		SUITE_SUFFIX=-asan B=build/asan TESTS='$(SANITIZED_TESTS)' \
		check-$$s || failed=1; done; \
		test -z "$$failed"

# --- other work --------------------------------------------------------------

.PHONY: bench demo format clean install help

need = $(or $($(1)),echo "$@: nothing to run here" >&2; exit 1)

bench: all $(BENCH_DEPS) ## measure pauses, latency and throughput
	$(Q)$(call need,BENCH)

demo: all $(DEMO_DEPS) ## redis keeps its clients through ten kill -9
	$(Q)$(call need,DEMO)

format: ## let clang-format lay out our C files
	$(Q)clang-format-14 -i $$(git ls-files '*.c' '*.h' ':!abi' \
		':!qemu-patches')

PREFIX ?= /usr/local
install: all ## install under PREFIX (/usr/local), DESTDIR in front
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/bin $(INSTALL_BIN)
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/libexec/sluice $(INSTALL_LIBEXEC)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib $(INSTALL_LIB)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include $(INSTALL_INCLUDE)
	$(Q)for page in $(INSTALL_MAN); do install -D -m 644 -t \
		$(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; done
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(INSTALL_UNIT)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/sluice docs/*.md
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/sluice/examples \
		docs/examples/*

clean: ## remove what was built, keep the QEMU tree and its build
	$(Q)find $(B) -mindepth 1 -maxdepth 1 ! -name 'qemu*' \
		-exec rm -rf {} + 2>/dev/null || :
	$(Q)rm -rf $(CLEAN)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  \1 \2/p' $(MAKEFILE_LIST) | \
		awk '{ t = $$1; $$1 = ""; printf "  %-18s%s\n", t, $$0 }'
