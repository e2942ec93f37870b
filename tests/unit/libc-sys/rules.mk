# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - the library's sys/ and start/ on a layer below made of paper: the
# very files of the guest, built for the host, over fake-prim.c

LIBC_SYS_SRC := $(patsubst %,guest-libc/sys/%.c,thread lock futex memory \
	signal sigframe deliver time ident mailbox log format report uaccess xstate sys-table \
	no-rooms) guest-libc/sys/uaccess.S guest-libc/start/entry.S \
	$(patsubst %,guest-libc/start/%.c,bundle elf place stack)
LIBC_SYS_SRC += $(patsubst %,guest-libc/sys/%.c,clock futex-pi robust)
LIBC_SYS_SRC += $(patsubst %,guest-libc/sys/%.c,altstack sigcalls sigqueue sigread)
LIBC_SYS_SRC += $(patsubst %,guest-libc/sys/%.c,creds capability rlimit prctl sched)
LIBC_SYS_SRC += $(patsubst %,guest-libc/sys/%.c,timer itimer posix-timer)
LIBC_SYS_SRC += guest-libc/sys/ending.c
LIBC_SYS_TEST := $(B)/tests/unit/test-libc-sys
LIBC_SYS_TEST_SRC := $(wildcard tests/unit/libc-sys/*.c)

# No stack protector in the library's files is a rule of the guest's build;
# here FS is the host's own, so nothing of the kind is needed.
$(LIBC_SYS_TEST): $(LIBC_SYS_SRC) $(LIBC_SYS_TEST_SRC) \
		$(wildcard guest-libc/sys/*.h guest-libc/start/*.h abi/*.h \
		tests/unit/libc-sys/*.h) guest-libc/sys/string.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) -fno-strict-aliasing \
		-fcf-protection=none $(shell pkg-config --cflags glib-2.0) -o $@ \
		$(LIBC_SYS_SRC) $(LIBC_SYS_TEST_SRC) $(LDFLAGS_HOST) \
		$(shell pkg-config --libs glib-2.0)

CHECK_UNIT += $(LIBC_SYS_TEST)
