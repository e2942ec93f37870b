# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/libc-linux/net/rules.mk - TCP of the library over a TAP device, with
# real peers; and the programs that use libsluice

net-tests_PROGRAMS := $(foreach c,musl glibc,\
	$(addprefix $(B)/guest-programs/,echo-epoll-$c sluice-frames-$c \
	sluice-commit-$c sluice-lines-$c)) \
	$(B)/guest-programs/bulk-musl $(B)/guest-programs/udp-echo-musl
net-tests_PROGRAMS += $(foreach c,musl glibc,$(B)/guest-programs/endings-$c)

# Longer than the pattern for programs without libsluice: it wins.
define sluice-program
$(B)/guest-programs/sluice-%-$(1): tests/guest/programs/sluice-%.c \
		tests/guest/programs/tap.h guest-libc/include/sluice.h \
		$(LIBSLUICE)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$(2) -O2 -g $$(WARN_FLAGS) -static -Iguest-libc/include \
		-o $$@ $$< $(LIBSLUICE)
endef
$(eval $(call sluice-program,musl,musl-gcc))
$(eval $(call sluice-program,glibc,$(HOST_CC)))

GUEST_PROGRAMS += $(net-tests_PROGRAMS)

CHECK_LIBC_LINUX += tests/libc-linux/net/check-net tests/libc-linux/net/check-tcp
CHECK_LIBC_LINUX += tests/libc-linux/net/check-endings
CHECK_LIBC_LINUX += tests/libc-linux/net/check-servers
CHECK_LIBC_LINUX_DEPS += $(net-tests_PROGRAMS) $(B)/guest-libc/sluice-linux \
	$(REDIS_SERVER) $(MEMCACHED) $(RUST_SERVER)
