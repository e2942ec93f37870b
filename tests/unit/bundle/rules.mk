# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of the boot bundle and of what it is made from

BUNDLE_TEST := $(B)/tests/unit/bundle/test-bundle

CHECK_UNIT += $(BUNDLE_TEST)

$(BUNDLE_TEST): %: tests/unit/bundle/test-bundle.c $(CKPTD_OBJS) $(STORE_OBJS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) \
		$(LDFLAGS_HOST) -MMD -MP -MF $@.d -o $@ $(filter %.c %.o,$^) \
		$(CKPTD_LIBS)

-include $(BUNDLE_TEST).d
