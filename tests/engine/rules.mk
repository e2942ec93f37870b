# SPDX-License-Identifier: GPL-2.0-or-later
# tests/engine/rules.mk - the checkpoint engine with a fake ckptd

ENGINE_GUEST := $(B)/tests/engine/guest.elf
export ENGINE_GUEST

# -m32 without a library: the compiler's own headers are all it needs.
$(ENGINE_GUEST): tests/engine/guest.c tests/engine/guest.ld abi/ckpt-nic.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(WARN_FLAGS) -m32 -O2 -std=gnu11 -I. -ffreestanding \
		-fno-pic -fno-pie -fno-stack-protector -mgeneral-regs-only \
		-no-pie -nostdlib -static -Wl,-T,tests/engine/guest.ld \
		-Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -o $@ $<

CHECK_QTEST += $(addprefix tests/engine/test_,engine.py state.py frames.py \
	lines.py guest_lines.py move.py)
CHECK_QTEST_DEPS += qemu all $(ENGINE_GUEST) \
	$(B)/guest-programs/sluice-lines-musl $(kernel-tests_ELF)
