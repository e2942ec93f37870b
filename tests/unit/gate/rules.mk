# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - unit tests of the hold gate, and of what else needs no QEMU: the
# very files that QEMU is built from, linked alone

GATE_SRC := $(addprefix qemu-patches/overlay/hw/ckpt/ckpt-,gate.c identity.c \
	ring.c ring-pack.c)
GATE_TESTS := $(addprefix $(B)/tests/unit/test-,gate gate-move identity tsc)
GATE_CFLAGS := -Itests/unit/gate/shim -Iqemu-patches/overlay/include -Iabi \
	$(shell pkg-config --cflags glib-2.0)

$(B)/tests/unit/test-tsc: qemu-patches/overlay/hw/ckpt/ckpt-tsc.c
$(GATE_TESTS): $(B)/tests/unit/%: tests/unit/gate/%.c \
		tests/unit/gate/shim/shim.c $(GATE_SRC) $(wildcard abi/*.h) \
		$(wildcard qemu-patches/overlay/include/hw/ckpt/*.h) \
		qemu-patches/overlay/hw/ckpt/ckpt-ring.h \
		$(shell find tests/unit/gate/shim -name '*.h')
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(GATE_CFLAGS) -o $@ \
		$(filter %.c,$^) $(LDFLAGS_HOST) \
		$(shell pkg-config --libs glib-2.0)

CHECK_UNIT += $(GATE_TESTS)
