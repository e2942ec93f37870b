# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/kernel/rules.mk - the kernel's tests inside the guest
#
# The image is built like a system library: no vector registers, no libc.

kernel-tests_DIR := tests/guest/kernel
kernel-tests_ELF := $(B)/$(kernel-tests_DIR)/kernel-tests.elf
kernel-tests_OBJ := $(B)/$(kernel-tests_DIR)/start.o \
	$(patsubst %.c,$(B)/%.o,$(sort $(wildcard $(kernel-tests_DIR)/*.c)))
kernel-tests_CFLAGS := -std=gnu11 -O2 -g $(WARN_FLAGS) -Wstrict-prototypes \
	-Wmissing-prototypes -ffreestanding -fno-pic -fno-pie -mcmodel=large \
	-mno-red-zone -mgeneral-regs-only -mfsgsbase -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-builtin \
	-fcf-protection=none -I. -I$(kernel-tests_DIR)

$(B)/$(kernel-tests_DIR)/%.o: $(kernel-tests_DIR)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(kernel-tests_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/$(kernel-tests_DIR)/%.o: $(kernel-tests_DIR)/%.S
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CC) $(kernel-tests_CFLAGS) -MMD -MP -c -o $@ $<

$(kernel-tests_ELF): $(kernel-tests_OBJ) $(kernel-tests_DIR)/image.lds
	$(call say,LINK,$@)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none \
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
		-Wl,-T,$(kernel-tests_DIR)/image.lds -o $@ $(filter %.o,$^)

-include $(kernel-tests_OBJ:.o=.d)

# For QEMU, so that a test can set the host's clock.
kernel-tests_CLOCK := $(B)/$(kernel-tests_DIR)/shifted-clock.so

$(kernel-tests_CLOCK): $(kernel-tests_DIR)/host/shifted-clock.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -O1 $(WARN_FLAGS) -fPIC -shared -o $@ $<

# Each program prints TAP; other rooms add theirs.
CHECK_GUEST_PROGRAMS += $(kernel-tests_DIR)/check-kernel
CHECK_GUEST = --each $(CHECK_GUEST_PROGRAMS)
CHECK_GUEST_DEPS += $(kernel-tests_ELF) $(kernel-tests_CLOCK) \
	$(KERNEL_ELF) $(QEMU) \
	$(B)/ckptd/ckpt-bundle
check-guest: export SLUICE_BUILD = $(B)
