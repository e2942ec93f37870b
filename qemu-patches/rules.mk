# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-patches/rules.mk - the patched QEMU, its source tree and its build
#
# The tree and the build stay through `make clean`; both are shared by the
# plain and the sanitized build, whose B differs.

QEMU_TREE := build/qemu-src
QEMU_BUILD := build/qemu
QEMU := $(QEMU_BUILD)/qemu-system-x86_64
QEMU_QTEST := $(QEMU_BUILD)/tests/qtest/ckpt-nic-test

QEMU_UPSTREAM := build/upstream/qemu

# Firmware comes from the distribution; a QEMU that runs from its build directory
# looks for every file below qemu-bundle/ there, hence the links.
#
# Only what a guest here needs: a smaller build, and less that a guest can
# reach. microvm silently vanishes without a device tree library.
QEMU_CONFIGURE := --target-list=x86_64-softmmu \
	--without-default-features --without-default-devices \
	--with-devices-x86_64=ckpt \
	--enable-kvm --enable-tcg --enable-slirp --enable-seccomp \
	--enable-fdt=system --enable-trace-backends=log \
	--disable-download --disable-install-blobs --disable-docs \
	--disable-tools --disable-guest-agent --disable-debug-info \
	--enable-werror \
	--firmwarepath=/usr/share/qemu:/usr/share/seabios

ALL += $(QEMU)
INSTALL_LIBEXEC += $(QEMU)
INSTALL_MAN += docs/man/ckpt-nic.7 docs/man/ckpt-engine.7
CHECK_QTEST += $(QEMU_QTEST)
CHECK_QTEST_DEPS += qemu-qtest
export QTEST_QEMU_BINARY := $(abspath $(QEMU))

build/upstream/qemu.stamp: qemu-patches/UPSTREAM build/upstream/qemu.from
	$(Q)QEMU_SRC='$(QEMU_SRC)' scripts/fetch-upstreams qemu $(QEMU_UPSTREAM)
	$(Q)touch $@

# Made anew when the series changes, unless it is the tree that the series was
# written from: `make qemu-refresh` touches the stamp.
$(QEMU_TREE).stamp: build/upstream/qemu.stamp \
		$(wildcard qemu-patches/patches/*.patch)
	$(call say,TREE,$(QEMU_TREE))
	$(Q)qemu-patches/tree.sh create $(QEMU_UPSTREAM) $(QEMU_TREE)
	$(Q)touch $@

$(QEMU_BUILD)/build.ninja: $(QEMU_TREE).stamp qemu-patches/rules.mk \
		$(VENV_STAMP)
	$(call say,CONFIG,$(QEMU_BUILD))
	$(Q)qemu-patches/tree.sh link $(QEMU_TREE)
	$(Q)mkdir -p $(QEMU_BUILD)
	$(Q)cd $(QEMU_BUILD) && $(abspath $(QEMU_TREE))/configure \
		--python=$(PYTHON) --cc='$(CC)' $(QEMU_CONFIGURE) \
		> configure.log 2>&1 || { tail -20 configure.log; exit 1; }
	$(Q)mkdir -p $(QEMU_BUILD)/qemu-bundle/usr/share
	$(Q)ln -sfn /usr/share/qemu $(QEMU_BUILD)/qemu-bundle/usr/share/qemu
	$(Q)ln -sfn /usr/share/seabios $(QEMU_BUILD)/qemu-bundle/usr/share/seabios
	$(Q)touch $@

# ninja is always asked, because it knows QEMU's dependencies and we do not; it
# takes a moment when nothing changed. Tree and build can have one user at a
# time, so whoever comes second waits and then looks again what is to do.
QEMU_LOCKED = mkdir -p build && flock build/qemu.lock \
	$(MAKE) --no-print-directory

.PHONY: qemu qemu-qtest qemu-tree qemu-ninja qemu-refresh
qemu: $(VENV_STAMP) ## build the patched QEMU
	+$(Q)$(QEMU_LOCKED) qemu-ninja

qemu-qtest: $(VENV_STAMP)
	+$(Q)$(QEMU_LOCKED) qemu-ninja NINJA_TARGETS='$(QEMU) $(QEMU_QTEST)'

qemu-tree:
	+$(Q)$(QEMU_LOCKED) $(QEMU_TREE).stamp

NINJA_TARGETS ?= $(QEMU)
qemu-ninja: $(QEMU_BUILD)/build.ninja
	$(Q)qemu-patches/tree.sh link $(QEMU_TREE)
	$(Q)nice ninja -C $(QEMU_BUILD) -j$(JOBS) \
		$(NINJA_TARGETS:$(QEMU_BUILD)/%=%)

$(QEMU): qemu ;
$(QEMU_QTEST): qemu-qtest ;

# Another build has the same QEMU, and has it where $(B) is taken for all there
# is. A copy, not a link: who may see $(B) need not see what is beside it.
ifneq ($(B),build)
ALL += $(B)/qemu/qemu-system-x86_64
$(B)/qemu/qemu-system-x86_64: $(QEMU)
	@mkdir -p $(@D)
	$(Q)cp -u $< $@
endif

qemu-refresh: ## write the commits of build/qemu-src back to patches/
	$(Q)qemu-patches/tree.sh refresh $(QEMU_TREE)
	$(Q)touch $(QEMU_TREE).stamp

CHECK_STYLE_DEPS += qemu-tree
