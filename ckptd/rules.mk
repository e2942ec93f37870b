# SPDX-License-Identifier: GPL-2.0-or-later
#
# ckptd/rules.mk - the daemon, its command and the bundle tool
#
# CKPTD_OBJS   everything of the daemon but main.o, for its tests

include ckptd/store.mk
-include ckptd/netd.mk
include ckptd/libvirt.mk

CKPTD_CFLAGS := $(shell pkg-config --cflags gio-2.0 gio-unix-2.0 gnutls) \
	-I$(B)/ckptd -DG_LOG_DOMAIN=\"ckptd\"
CKPTD_LIBS := $(shell pkg-config --libs gio-2.0 gio-unix-2.0 gnutls)

BUNDLE_SRCS := $(addprefix ckptd/ckpt-bundle,.c -copy.c -net.c -tree.c)
CKPTD_SRCS := $(BUNDLE_SRCS) $(addprefix ckptd/ckptd-,wire.c shm.c namer.c \
	process.c histogram.c trace.c output.c session.c session-epoch.c \
	session-disk.c session-lines.c session-move.c welcome.c paths.c spec.c \
	spec-fork.c spec-net.c launch.c netctl.c tap.c engine-socket.c domain.c \
	limits.c guest.c \
	guest-events.c guest-ending.c guest-net.c guest-verbs.c guest-external.c \
	guest-libvirt.c guest-files.c guest-life.c guest-lines.c guest-move.c notes.c \
	server.c \
	lines.c control.c)
# Other hosts, and guests that come and go.
CKPTD_SRCS += $(addprefix ckptd/ckptd-,ledger.c peer-wire.c peer-cert.c \
	peer-link.c peer-book.c door.c ship.c landing.c main-call.c guest-travel.c \
	move-out.c move-give.c move-in.c move-room.c moves.c moves-hosts.c control-move.c \
	forward.c)
CKPTD_OBJS := $(CKPTD_SRCS:%.c=$(B)/%.o) $(B)/ckptd/ckptd-dbus.o
CKPTCTL_SRCS := $(addprefix ckptd/ckptctl,.c -dict.c -lines.c -run.c -adopt.c \
	-domxml.c -show.c -stop.c -move.c -options.c -print.c) ckptd/ckptd-paths.c
CKPTCTL_OBJS := $(sort $(CKPTCTL_SRCS:%.c=$(B)/%.o) $(B)/ckptd/ckptd-dbus.o)
CKPT_BUNDLE_OBJS := $(BUNDLE_SRCS:%.c=$(B)/%.o) \
	$(addprefix $(B)/ckptd/,ckpt-bundle-main.o ckptd-error.o ckptd-paths.o)
CKPTD_ALL_OBJS := $(filter-out %/ckptd-dbus.o,$(sort $(CKPTD_OBJS) \
	$(CKPTCTL_OBJS) $(addprefix $(B)/ckptd/,main.o ckpt-bundle-main.o)))

CKPTD := $(B)/ckptd/ckptd
CKPTCTL := $(B)/ckptd/ckptctl
CKPT_BUNDLE := $(B)/ckptd/ckpt-bundle

ALL += $(CKPTD) $(CKPTCTL) $(CKPT_BUNDLE)
INSTALL_BIN += $(CKPTD) $(CKPTCTL) $(CKPT_BUNDLE)
INSTALL_UNIT += ckptd/ckptd.service
INSTALL_MAN += docs/man/ckptctl.1 docs/man/ckptd.8 docs/man/ckpt-bundle.1

$(B)/ckptd/ckptd-dbus.c $(B)/ckptd/ckptd-dbus.h &: ckptd/org.sluice.Ckptd1.xml
	$(call say,DBUS,$(B)/ckptd/ckptd-dbus.c)
	@mkdir -p $(B)/ckptd
	$(Q)gdbus-codegen --generate-c-code $(B)/ckptd/ckptd-dbus $<

$(B)/ckptd/ckptd-dbus.o: $(B)/ckptd/ckptd-dbus.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) -c -o $@ $<

$(CKPTD_ALL_OBJS): $(B)/%.o: %.c | $(B)/ckptd/ckptd-dbus.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(CKPTD_CFLAGS) -MMD -MP \
		-c -o $@ $<

-include $(CKPTD_ALL_OBJS:.o=.d)

$(CKPTD): $(B)/ckptd/main.o $(CKPTD_OBJS) $(STORE_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(CKPTD_LIBS) $(STORE_LIBS)

$(CKPTCTL): $(CKPTCTL_OBJS) $(STORE_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(CKPTD_LIBS) $(STORE_LIBS)

$(CKPT_BUNDLE): $(CKPT_BUNDLE_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(CKPTD_LIBS)
