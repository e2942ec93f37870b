# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/libc-linux/core/rules.mk - threads, memory, signals and time of the
# library: the same static programs under Linux, through the library on Linux,
# and in the guest

core-tests_NAMES := hello memory clocks efault futex threads signals vdso \
	events sockets udp randoms \
	shutdowns
core-tests_NAMES += futex-ops locks clock-ids timerfds
core-tests_NAMES += faults sigqueue sigroute altstack interrupt
core-tests_NAMES += binds backlog
core-tests_NAMES += inotify corks lingers proc-net
core-tests_NAMES += proc paths devices file-locks sendfile
core-tests_NAMES += recvflags sockopts netlink
core-tests_NAMES += mappings cpu-clocks
core-tests_NAMES += identity limits
core-tests_NAMES += polls epolls timers pipes splices
core-tests_HEADERS := $(wildcard tests/guest/programs/*.h)
core-tests_PROGRAMS := $(foreach c,musl glibc,\
	$(core-tests_NAMES:%=$(B)/guest-programs/%-$c))

$(B)/guest-programs/%-musl: tests/guest/programs/%.c $(core-tests_HEADERS)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)musl-gcc -O2 -g $(WARN_FLAGS) -static -pthread -o $@ $<

$(B)/guest-programs/%-glibc: tests/guest/programs/%.c $(core-tests_HEADERS)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(HOST_CC) -O2 -g $(WARN_FLAGS) -static -pthread -o $@ $<

GUEST_PROGRAMS += $(core-tests_PROGRAMS)

CHECK_LIBC_LINUX += tests/libc-linux/core/check-core
CHECK_LIBC_LINUX_DEPS += $(core-tests_PROGRAMS) $(B)/guest-libc/sluice-linux

# The library stopped at each instruction, by a tracer.
core-tests_STEP := $(B)/tests/libc-linux/step
$(core-tests_STEP): tests/libc-linux/core/step.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(HOST_CC) -O2 -g $(WARN_FLAGS) -o $@ $<

CHECK_LIBC_LINUX += tests/libc-linux/core/check-steps
CHECK_LIBC_LINUX_DEPS += $(core-tests_STEP) $(B)/guest-programs/stepped-musl

CHECK_GUEST_PROGRAMS += tests/guest/programs/check-programs
CHECK_GUEST_DEPS += $(core-tests_PROGRAMS) $(B)/guest-libc/libsluiceos.elf
