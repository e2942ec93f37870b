# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-libc/rules.mk - the system library, for the guest and for Linux
#
# The two images hold the same objects; they differ in the layer below
# (sys/prim-sluice.c, or host/) and in the entry.
#
# LIBOS_CFLAGS is for every C file of the library, lwIP included: FS and the
# vector registers belong to the program, so no TLS, no stack protector, no
# SSE.  The rooms net/ and posix/ add their objects in their own .mk files, to
# LIBOS_OBJS, and use the pattern rule below.

LIBOS_B := $(B)/guest-libc

LIBOS_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-strict-aliasing \
	-fpie -fno-asynchronous-unwind-tables \
	-fno-tree-loop-distribute-patterns -fno-common -U_FORTIFY_SOURCE -I.

LIBOS_SYS := thread lock futex memory signal sigframe deliver upcall time \
	ident mailbox log format report string uaccess xstate sys-table \
	no-rooms
LIBOS_SYS += clock futex-pi robust
LIBOS_SYS += altstack sigcalls sigqueue sigread
LIBOS_SYS += creds capability rlimit prctl sched
LIBOS_SYS += timer itimer posix-timer
LIBOS_SYS += ending
LIBOS_START := boot bundle elf place stack vdso

LIBOS_OBJS := $(LIBOS_SYS:%=$(LIBOS_B)/sys/%.o) \
	$(LIBOS_START:%=$(LIBOS_B)/start/%.o) \
	$(LIBOS_B)/start/entry.S.o $(LIBOS_B)/start/vdso-image.S.o \
	$(LIBOS_B)/sys/uaccess.S.o
LIBOS_SLUICE_OBJS := $(LIBOS_B)/sys/prim-sluice.o \
	$(LIBOS_B)/start/start-sluice.S.o
LIBOS_LINUX_OBJS := $(LIBOS_B)/host/entry-linux.S.o \
	$(patsubst %,$(LIBOS_B)/host/%.o,prim-linux linux-clock linux-thread \
	linux-signal linux-net linux-areas runner)

-include guest-libc/net.mk
-include guest-libc/posix.mk

LIBOS_LINK := $(HOST_CC) -nostdlib -static -no-pie -Wl,-z,noexecstack \
	-Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,--no-relax \
	-Wl,-T,guest-libc/start/library.lds

$(LIBOS_B)/libsluiceos.elf: $(LIBOS_SLUICE_OBJS) $(LIBOS_OBJS) \
		guest-libc/start/library.lds
	$(call say,LD,$@)
	$(Q)$(LIBOS_LINK) -o $@ $(LIBOS_SLUICE_OBJS) $(LIBOS_OBJS)

$(LIBOS_B)/sluice-linux: $(LIBOS_LINUX_OBJS) $(LIBOS_OBJS) \
		guest-libc/start/library.lds
	$(call say,LD,$@)
	$(Q)$(LIBOS_LINK) -o $@ $(LIBOS_LINUX_OBJS) $(LIBOS_OBJS)

$(LIBOS_B)/%.o: guest-libc/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LIBOS_CFLAGS) $(WARN_FLAGS) -MMD -MP -c -o $@ $<

$(LIBOS_B)/%.S.o: guest-libc/%.S
	$(call say,AS,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -g -MMD -MP -DVDSO_FILE='"$(LIBOS_B)/vdso.so"' -c -o $@ $<

# --- the vDSO image ----------------------------------------------------------

$(LIBOS_B)/start/vdso-image.S.o: $(LIBOS_B)/vdso.so

$(LIBOS_B)/vdso.so: guest-libc/start/vdso/vdso.c guest-libc/start/vdso/vdso.lds \
		guest-libc/sys/shared-clock.h abi/guest-boot.h
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -std=gnu11 -O2 -fPIC -ffreestanding -mgeneral-regs-only \
		-fno-stack-protector -fcf-protection=none -fno-builtin \
		-fno-asynchronous-unwind-tables $(WARN_FLAGS) -I. -nostdlib -shared \
		-Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,-Bsymbolic \
		-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
		-Wl,-T,guest-libc/start/vdso/vdso.lds -o $@ $<
	$(Q)strip -s $@

# --- the page that says what of Linux is served ------------------------------

docs/linux.md: scripts/linux-doc $(wildcard guest-libc/*/*.c)
	$(call say,DOC,$@)
	$(Q)scripts/linux-doc -o $@

ALL += docs/linux.md
ALL += $(LIBOS_B)/libsluiceos.elf $(LIBOS_B)/sluice-linux
INSTALL_LIBEXEC += $(LIBOS_B)/libsluiceos.elf

-include $(wildcard $(LIBOS_B)/*/*.d $(LIBOS_B)/*/*/*.d)
