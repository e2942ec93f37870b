# SPDX-License-Identifier: GPL-2.0-or-later
# tests/rules.mk - how each suite is run

include $(wildcard tests/unit/*/rules.mk tests/engine/rules.mk)
include $(wildcard tests/guest/*/rules.mk tests/libc-linux/*/rules.mk)
include $(wildcard tests/data/rules.mk)

GUEST_PROGRAMS += $(B)/guest-programs/pause-forever-musl

# One job at a time: the tests kill processes and watch clocks on two cores.
AVOCADO = env SLUICE_BUILD=$(abspath $(B)) $(VENV)/bin/avocado run \
	--disable-sysinfo --max-parallel-tasks 1 --job-results-dir
CHECK_FUNCTIONAL = --avocado $(B)/avocado $(AVOCADO) $(B)/avocado \
	$(or $(TESTS),tests/functional)
CHECK_FUNCTIONAL_DEPS = $(VENV_STAMP) $(GUEST_PROGRAMS)

# Every pair of values of the parameters, not every combination.
CHECK_MATRIX = --avocado $(B)/avocado-matrix $(AVOCADO) $(B)/avocado-matrix \
	--cit-parameter-file tests/functional/matrix.cit \
	--cit-order-of-combinations 2 tests/functional/test_matrix.py

CHECK_INSTALL = --avocado $(B)/avocado-install tests/platform/check-install \
	$(B) $(VENV)/bin/avocado $(B)/avocado-install
CHECK_INSTALL_DEPS = $(VENV_STAMP)

CHECK_KVM = tests/platform/check-kvm $(B)
CHECK_KVM_DEPS = $(GUEST_PROGRAMS) $(kernel-tests_ELF) $(kernel-tests_CLOCK) \
	$(ENGINE_GUEST)

CHECK_HOSTS = tests/platform/check-hosts $(B)
CHECK_HOSTS_DEPS = $(REDIS_SERVER)

DEMO = SLUICE_BUILD=$(abspath $(B)) python3 tests/demo.py $(DEMO_FLAGS)
DEMO_DEPS = $(REDIS_SERVER) $(GUEST_PYTHON) $(B)/guest-programs/randoms-musl
BENCH = SLUICE_BUILD=$(abspath $(B)) python3 tests/bench.py $(BENCH_FLAGS)
BENCH_DEPS = $(REDIS_SERVER) $(B)/guest-programs/echo-epoll-musl
