# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of the checkpoint store

STORE_TEST_DIR := $(B)/tests/unit/store
STORE_TESTS := $(addprefix $(STORE_TEST_DIR)/,test-store test-format \
	test-snapshot test-label test-arrival)
STORE_CRASH_TESTS := $(addprefix $(STORE_TEST_DIR)/,crash-store crash-label)
STORE_CRASH_OBJS := $(addprefix $(STORE_TEST_DIR)/,crash-io.o crash-disk.o)
STORE_TEST_OBJS := $(STORE_TESTS:%=%.o) $(STORE_CRASH_TESTS:%=%.o) \
	$(STORE_TEST_DIR)/store-fixture.o $(STORE_CRASH_OBJS)

CHECK_UNIT += $(STORE_TESTS)
CHECK_CRASH += $(STORE_CRASH_TESTS)

$(STORE_TEST_OBJS): $(B)/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(STORE_CFLAGS) -MMD -MP \
		-c -o $@ $<

$(STORE_CRASH_TESTS) $(STORE_TEST_DIR)/test-format: $(STORE_CRASH_OBJS)
$(STORE_TESTS) $(STORE_CRASH_TESTS): %: %.o $(STORE_TEST_DIR)/store-fixture.o \
		$(STORE_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(LDFLAGS_HOST) -o $@ $^ $(STORE_LIBS)

-include $(STORE_TEST_OBJS:.o=.d)
