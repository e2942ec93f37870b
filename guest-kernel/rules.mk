# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-kernel/rules.mk - the guest kernel
#
# Linked twice: the first link gives the addresses for the table of names that
# the second one contains (panic.c).

KERNEL_ELF := $(B)/guest-kernel/sluice-kernel.elf

kernel_SRC := $(sort $(wildcard guest-kernel/*.c))
kernel_OBJ := $(kernel_SRC:%.c=$(B)/%.o) \
	$(B)/guest-kernel/boot.o $(B)/guest-kernel/entry.o

# No registers but the general ones: the others belong to programs.
kernel_CFLAGS := -std=gnu11 -O2 -g $(WARN_FLAGS) -Wstrict-prototypes \
	-Wmissing-prototypes -ffreestanding -fno-pic -fno-pie -mcmodel=kernel \
	-mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing -fcf-protection=none -I. -Iguest-kernel
kernel_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
	-Wl,-T,guest-kernel/kernel.lds

$(B)/guest-kernel/%.o: guest-kernel/%.c guest-kernel/rules.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(kernel_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/guest-kernel/%.o: guest-kernel/%.S guest-kernel/rules.mk
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CC) $(kernel_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/guest-kernel/symbols-none.S: guest-kernel/symbols.awk
	@mkdir -p $(@D)
	$(Q)awk -f $< /dev/null >$@

$(B)/guest-kernel/symbols-all.S: $(B)/guest-kernel/kernel-first.elf \
		guest-kernel/symbols.awk
	$(Q)nm -n $< | awk -f guest-kernel/symbols.awk >$@

$(B)/guest-kernel/symbols-%.o: $(B)/guest-kernel/symbols-%.S
	$(Q)$(CC) $(kernel_CFLAGS) -c -o $@ $<

$(B)/guest-kernel/kernel-first.elf: $(kernel_OBJ) \
		$(B)/guest-kernel/symbols-none.o guest-kernel/kernel.lds
	$(Q)$(CC) $(kernel_LDFLAGS) -o $@ $(filter %.o,$^)

$(KERNEL_ELF): $(kernel_OBJ) $(B)/guest-kernel/symbols-all.o \
		guest-kernel/kernel.lds
	$(call say,LINK,$@)
	$(Q)$(CC) $(kernel_LDFLAGS) -o $@ $(filter %.o,$^)

-include $(kernel_OBJ:.o=.d)

.PRECIOUS: $(B)/guest-kernel/symbols-%.S
ALL += $(KERNEL_ELF)
INSTALL_LIBEXEC += $(KERNEL_ELF)
