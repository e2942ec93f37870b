# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of the messages between QEMU and ckptd

WIRE_TEST := $(B)/tests/unit/wire/test-wire

CHECK_UNIT += $(WIRE_TEST)

$(WIRE_TEST): %: tests/unit/wire/test-wire.c $(CKPTD_OBJS) $(STORE_OBJS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) \
		$(LDFLAGS_HOST) -MMD -MP -MF $@.d -o $@ $(filter %.c %.o,$^) \
		$(CKPTD_LIBS)

-include $(WIRE_TEST).d
