# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/data/rules.mk - a static CPython for the guest, of the distribution's
# own archive: nothing is compiled but its main()
#
# What the archive needs is what its own configuration says. The linker warns
# of each call by which a static glibc would load name services; they are in
# the log, and the guest has /etc/hosts and passwd.

GUEST_PYTHON := $(B)/guest-programs/python3

python-config = $(shell /usr/bin/python3 -c \
	'import sysconfig; print(*map(sysconfig.get_config_var, "$(1)".split()))')

$(GUEST_PYTHON): docs/examples/python.c $(LIBSLUICE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(HOST_CC) -O2 -g $(WARN_FLAGS) -static \
		-I$(call python-config,INCLUDEPY) -Iguest-libc/include -o $@ $^ \
		-L$(call python-config,LIBPL) -lpython$(call python-config,LDVERSION) \
		$(call python-config,LOCALMODLIBS LIBS SYSLIBS) > $@.log 2>&1 || \
		{ cat $@.log; exit 1; }

ALL += $(GUEST_PYTHON)
