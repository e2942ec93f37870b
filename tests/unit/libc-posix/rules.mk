# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/unit/libc-posix/rules.mk - the tree of files, in the world of
# tests/unit/libc-net: the same objects with another set of tests

libc-posix_TEST := $(libc-net_B)/test-libc-posix

$(libc-net_B)/test-files.o: tests/unit/libc-posix/test-files.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) \
		$$(pkg-config --cflags glib-2.0) -MMD -MP -c -o $@ $<

$(libc-posix_TEST): $(libc-net_B)/test-files.o $(libc-net_B)/sim.o \
		$(libc-net_B)/peer-stack.o $(libc-net_OBJS) $(libc-net_LWIP)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(LDFLAGS_HOST) -o $@ $^ \
		$$(pkg-config --libs glib-2.0)

CHECK_UNIT += $(libc-posix_TEST)

uio_TEST := $(libc-net_B)/test-uio

$(uio_TEST): tests/unit/libc-posix/test-uio.c guest-libc/posix/uio.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(LDFLAGS_HOST) \
		$$(pkg-config --cflags glib-2.0) -MMD -MP -MF $@.d -o $@ $^ \
		$$(pkg-config --libs glib-2.0)

-include $(uio_TEST).d
CHECK_UNIT += $(uio_TEST)
