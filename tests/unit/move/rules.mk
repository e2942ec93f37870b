# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of what hosts say to each other and promise about a guest

MOVE_TESTS := $(addprefix $(B)/tests/unit/move/,test-peer test-ledger \
	test-image test-door test-load)

MOVE_CRASH_TESTS := $(B)/tests/unit/move/crash-guest-dir

CHECK_UNIT += $(MOVE_TESTS)
CHECK_CRASH += $(MOVE_CRASH_TESTS)

$(B)/tests/unit/move/test-ledger $(MOVE_CRASH_TESTS): $(addprefix $(B)/tests/unit/store/, \
	crash-io.o crash-disk.o)
$(B)/tests/unit/move/test-image: $(B)/tests/unit/store/store-fixture.o

$(MOVE_TESTS) $(MOVE_CRASH_TESTS): $(B)/%: %.c $(CKPTD_OBJS) $(STORE_OBJS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) \
		$(LDFLAGS_HOST) -MMD -MP -MF $@.d -o $@ $(filter %.c %.o,$^) \
		$(CKPTD_LIBS)

-include $(MOVE_TESTS:=.d) $(MOVE_CRASH_TESTS:=.d)
