# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-libc/posix.mk - descriptors and sockets; libsluice for programs

LIBC_POSIX := bytes calls defaults device epoll eventfd fd file io line pair path \
	pipe poll signalfd sluice socket socket-control socket-data \
	socket-message sockopt sockopt-ip sockopt-table sockopt-tcp ifreq netlink rtnetlink \
	stat stdio timerfd tree tree-file uio wait
LIBC_POSIX += inotify splice
LIBC_POSIX += directory fd-control locks made-file path-change sendfile text
LIBC_POSIX += proc proc-cpu proc-fd proc-maps proc-net proc-process proc-system proc-task

LIBOS_OBJS += $(LIBC_POSIX:%=$(LIBOS_B)/posix/%.o)

# sock.h needs no lwIP header, so posix/ is compiled like sys/.

# For the program: an ordinary object that asks nothing of a C library but
# syscall(), so that one archive serves musl and glibc.
LIBSLUICE := $(LIBOS_B)/libsluice.a
$(LIBSLUICE): guest-libc/libsluice/libsluice.c guest-libc/include/sluice.h
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu99 -O2 -g -fno-pic -fno-stack-protector \
		-U_FORTIFY_SOURCE $(WARN_FLAGS) -Iguest-libc/include -c -o $(@:.a=.o) $<
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(@:.a=.o)

ALL += $(LIBSLUICE)
INSTALL_LIB += $(LIBSLUICE)
INSTALL_INCLUDE += guest-libc/include/sluice.h
INSTALL_MAN += docs/man/sluice.3
