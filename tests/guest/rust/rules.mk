# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/rust/rules.mk - a static server of Rust's standard library
#
# PATH's rustc, or the distribution's. Nothing is fetched.

RUSTC := $(or $(shell command -v rustc),/usr/bin/rustc)
RUST_SERVER := $(B)/guest-programs/rust-server

$(RUST_SERVER): tests/guest/rust/server.rs
	@mkdir -p $(@D)
	$(call say,RUSTC,$@)
	$(Q)env -u MAKEFLAGS $(RUSTC) -O -C target-feature=+crt-static \
		-C strip=debuginfo -o $@ $<

GUEST_PROGRAMS += $(RUST_SERVER) $(MEMCACHED)
