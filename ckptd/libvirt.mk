# SPDX-License-Identifier: GPL-2.0-or-later
#
# libvirt.mk - ckpt-libvirt, which starts domains again when ckptd says so

LIBVIRT := $(B)/ckptd/ckpt-libvirt
LIBVIRT_OBJS := $(addprefix $(B)/ckptd/,ckpt-libvirt.o ckpt-libvirt-domain.o)
LIBVIRT_CFLAGS := $(shell pkg-config --cflags glib-2.0 libvirt)
LIBVIRT_LIBS := $(shell pkg-config --libs glib-2.0 libvirt)

ALL += $(LIBVIRT)
INSTALL_LIBEXEC += $(LIBVIRT)
INSTALL_MAN += docs/man/ckpt-libvirt.8

$(LIBVIRT_OBJS): $(B)/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(LIBVIRT_CFLAGS) -MMD -MP \
		-c -o $@ $<

-include $(LIBVIRT_OBJS:.o=.d)

$(LIBVIRT): $(LIBVIRT_OBJS) $(B)/ckptd/ckptd-error.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_HOST) -o $@ $^ $(LIBVIRT_LIBS)
