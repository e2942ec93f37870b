# SPDX-License-Identifier: GPL-2.0-or-later
#
# netd.mk - ckpt-netd, libslirp in a process of its own, and its unit tests

NETD := $(B)/ckptd/ckpt-netd
NETD_SRCS := $(addprefix ckptd/ckpt-netd,.c -control.c -frame.c -link.c \
	-listen.c -pcap.c -poll.c -reset.c -slirp.c -tcp.c)
NETD_OBJS := $(NETD_SRCS:%.c=$(B)/%.o)
NETD_CFLAGS := $(shell pkg-config --cflags gio-2.0 gio-unix-2.0 slirp) -Iabi \
	-DG_LOG_DOMAIN=\"ckpt-netd\"
NETD_LIBS := $(shell pkg-config --libs gio-2.0 gio-unix-2.0 slirp)

NETD_TEST := $(B)/tests/unit/test-netd
NETD_TEST_OBJS := $(B)/tests/unit/netd/test-netd.o \
	$(addprefix $(B)/ckptd/ckpt-netd-,frame.o link.o pcap.o control.o reset.o \
	tcp.o)

NETD_POLL_TEST := $(B)/tests/unit/test-netd-poll
NETD_POLL_TEST_OBJS := $(B)/tests/unit/netd/test-netd-poll.o \
	$(B)/ckptd/ckpt-netd-poll.o

ALL += $(NETD)
INSTALL_LIBEXEC += $(NETD)
INSTALL_MAN += docs/man/ckpt-netd.8
CHECK_UNIT += $(NETD_TEST) $(NETD_POLL_TEST)

NETD_ALL_OBJS := $(sort $(NETD_OBJS) $(NETD_TEST_OBJS) $(NETD_POLL_TEST_OBJS))

$(NETD_ALL_OBJS): $(B)/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(NETD_CFLAGS) -MMD -MP \
		-c -o $@ $<

-include $(NETD_ALL_OBJS:.o=.d)

$(NETD): $(NETD_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(NETD_LIBS)

$(NETD_POLL_TEST): $(NETD_POLL_TEST_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(NETD_LIBS)

$(NETD_TEST): $(NETD_TEST_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(NETD_LIBS)
