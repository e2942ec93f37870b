# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/rules.mk - run-vm; third-party sources beside QEMU's, and what is
# built of them unchanged
#
# The trees are shared by the plain and the sanitized build, so they lie in
# build/ whatever B is.

INSTALL_BIN += scripts/run-vm
INSTALL_MAN += docs/man/run-vm.1

# --- where a source came from ------------------------------------------------

# What QEMU_SRC= and its like said last. It is kept for the runs of make after
# that one, and naming another source makes all that came of the old one anew.
remember = $(if $($(1)),$(shell mkdir -p build/upstream; \
	echo '$($(1))' | cmp -s - build/upstream/$(2).from || \
	echo '$($(1))' > build/upstream/$(2).from))
recall = $(or $($(1)),$(shell cat build/upstream/$(2).from 2>/dev/null))

$(call remember,QEMU_SRC,qemu)
$(call remember,LWIP_SRC,lwip)
$(call remember,REDIS_SRC,redis)
$(call remember,MEMCACHED_SRC,memcached)
override QEMU_SRC := $(call recall,QEMU_SRC,qemu)
override LWIP_SRC := $(call recall,LWIP_SRC,lwip)
override REDIS_SRC := $(call recall,REDIS_SRC,redis)
override MEMCACHED_SRC := $(call recall,MEMCACHED_SRC,memcached)

build/upstream/%.from:
	$(Q)mkdir -p $(@D)
	$(Q)touch $@

# --- lwIP, for guest-libc ----------------------------------------------------

LWIP_TREE := build/lwip-src
LWIP_STAMP := $(LWIP_TREE).stamp

$(LWIP_STAMP): guest-libc/UPSTREAM build/upstream/lwip.from \
		$(wildcard guest-libc/patches/*.patch)
	$(Q)LWIP_SRC='$(LWIP_SRC)' scripts/fetch-upstreams lwip \
		build/upstream/lwip
	$(Q)rm -rf $(LWIP_TREE)
	$(Q)cp -RH build/upstream/lwip $(LWIP_TREE)
	$(Q)for patch in $(sort $(wildcard guest-libc/patches/*.patch)); do \
		patch -s -d $(LWIP_TREE) -p1 -F0 < $$patch || exit 1; done
	$(Q)touch $@

# --- redis, for the guest: Debian's source, not one line changed -------------

REDIS_TREE := build/redis-src
REDIS_SERVER := $(B)/guest-programs/redis-server

$(REDIS_TREE)/src/redis-server: tests/data/redis.upstream build/upstream/redis.from
	$(Q)REDIS_SRC='$(REDIS_SRC)' scripts/fetch-upstreams redis \
		build/upstream/redis
	$(call say,REDIS,$@)
	$(Q)rm -rf $(REDIS_TREE)
	$(Q)cp -RH build/upstream/redis $(REDIS_TREE)
	$(Q)env -u MAKEFLAGS -u MFLAGS nice $(MAKE) -C $(REDIS_TREE)/src \
		-j$(JOBS) 'CC=$(CCACHE) musl-gcc' MALLOC=libc \
		CFLAGS=-static LDFLAGS=-static redis-server \
		> $(REDIS_TREE).log 2>&1 || { tail -20 $(REDIS_TREE).log; exit 1; }

$(REDIS_SERVER): $(REDIS_TREE)/src/redis-server
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

ALL += $(REDIS_SERVER)

# --- memcached, for the guest: Debian's source with its own libevent ----------
#
# What autotools made came with the source. Its checks ask a memcached-debug what
# it can do. glibc warns of each call by which a static program would load name
# services.

MEMCACHED_TREE := build/memcached-src
MEMCACHED := $(B)/guest-programs/memcached

$(MEMCACHED_TREE)/memcached: tests/data/memcached.upstream \
		build/upstream/memcached.from
	$(Q)MEMCACHED_SRC='$(MEMCACHED_SRC)' scripts/fetch-upstreams memcached \
		build/upstream/memcached
	$(call say,MEMCACHED,$@)
	$(Q)rm -rf $(MEMCACHED_TREE)
	$(Q)cp -RH build/upstream/memcached $(MEMCACHED_TREE)
	$(Q)cd $(MEMCACHED_TREE) && { ./configure --disable-docs \
		'CC=$(CCACHE) $(HOST_CC)' LDFLAGS=-static && env -u MAKEFLAGS \
		-u MFLAGS nice $(MAKE) -j$(JOBS) ACLOCAL=: AUTOCONF=: AUTOMAKE=: \
		AUTOHEADER=: memcached; } \
		> $(abspath $(MEMCACHED_TREE)).log 2>&1 || \
		{ tail -20 $(abspath $(MEMCACHED_TREE)).log; exit 1; }
	$(Q)ln -sf memcached $(MEMCACHED_TREE)/memcached-debug

$(MEMCACHED): $(MEMCACHED_TREE)/memcached
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@
