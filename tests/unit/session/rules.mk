# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of a session, against a QEMU that is a few lines long

SESSION_DIR := $(B)/tests/unit/session
SESSION_TESTS := $(addprefix $(SESSION_DIR)/test-,session lines travel guest)
SESSION_TEST_OBJS := $(SESSION_TESTS:%=%.o) $(SESSION_DIR)/session-fixture.o

CHECK_UNIT += $(SESSION_TESTS)

$(SESSION_TEST_OBJS): $(B)/%.o: %.c | $(B)/ckptd/ckptd-dbus.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) -MMD -MP \
		-c -o $@ $<

$(SESSION_TESTS): %: %.o $(SESSION_DIR)/session-fixture.o $(CKPTD_OBJS) \
		$(STORE_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(CKPTD_LIBS) $(STORE_LIBS)

-include $(SESSION_TEST_OBJS:.o=.d)
