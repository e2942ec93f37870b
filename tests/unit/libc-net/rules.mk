# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/unit/libc-net/rules.mk - net/ and posix/ of the library on the host,
# against a second lwIP, in simulated time

libc-net_B := $(B)/tests/libc-net
libc-net_CPPFLAGS := $(CPPFLAGS_HOST) $(LIBC_NET_CPPFLAGS)
libc-net_SRC := $(LIBC_NET:%=guest-libc/net/%.c) \
	$(LIBC_POSIX:%=guest-libc/posix/%.c) guest-libc/sys/format.c
libc-net_OBJS := $(libc-net_SRC:%.c=$(libc-net_B)/%.o)
libc-net_LWIP := $(LIBC_LWIP:%=$(libc-net_B)/lwip/%.o)
# glibc has its own.
libc-net_OBJS := $(filter-out %/lwip-libc.o,$(libc-net_OBJS))

$(libc-net_B)/guest-libc/%.o: guest-libc/%.c | $(LWIP_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(libc-net_CPPFLAGS) -MMD -MP -c -o $@ $<

$(libc-net_LWIP): $(libc-net_B)/lwip/%.o: $(LWIP_STAMP) \
		$(wildcard guest-libc/net/*.h guest-libc/net/arch/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(libc-net_CPPFLAGS) -w -c -o $@ \
		$(LWIP_TREE)/src/$*.c

$(libc-net_B)/%.o: tests/unit/libc-net/%.c | $(LWIP_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(libc-net_CPPFLAGS) \
		$$(pkg-config --cflags glib-2.0) -MMD -MP -c -o $@ $<

# The peer and its lwIP as one object that shows nothing but peer_*(); what of
# ours keeps lwIP's connections it has for itself.
$(libc-net_B)/peer-stack.o: $(libc-net_B)/peer.o $(libc-net_LWIP) \
		$(addprefix $(libc-net_B)/guest-libc/net/,cookie.o demux.o \
		listen.o tcp-timers.o)
	$(call say,LD,$@)
	$(Q)ld -r -o $@ $^
	$(Q)objcopy --wildcard --keep-global-symbol='peer_*' $@

# One program for each world: a library starts once.
libc-net_TESTS := $(addprefix $(libc-net_B)/test-libc-,net dgram lease line tcp \
	tcp-path ending cork backlog)

$(addprefix $(libc-net_B)/test-libc-,tcp tcp-path cork backlog): $(libc-net_B)/script.o \
	$(libc-net_B)/states.o

$(libc-net_TESTS): $(libc-net_B)/test-libc-%: $(libc-net_B)/test-%.o \
		$(libc-net_B)/sim.o $(libc-net_B)/peer-stack.o \
		$(libc-net_OBJS) $(libc-net_LWIP)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(LDFLAGS_HOST) -o $@ $^ \
		$$(pkg-config --libs glib-2.0)

CHECK_UNIT += $(libc-net_TESTS)

-include $(wildcard $(libc-net_B)/*.d $(libc-net_B)/guest-libc/*/*.d)
