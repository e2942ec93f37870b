# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/go/rules.mk - a Go program, of the standard library alone
#
# PATH's go, or the distribution's. Nothing is fetched.

GO := $(or $(shell command -v go),/usr/bin/go)
GUEST_GO := $(B)/guest-programs/busy-go

$(GUEST_GO): tests/guest/go/busy.go tests/guest/go/go.mod
	@mkdir -p $(@D)
	$(call say,GO,$@)
	$(Q)cd tests/guest/go && env CGO_ENABLED=0 GOFLAGS=-trimpath \
		GOTOOLCHAIN=local GOPROXY=off GOCACHE=$(abspath $(B))/go-cache \
		GOPATH=$(abspath $(B))/go-path $(GO) build -o $(abspath $@) .

GUEST_PROGRAMS += $(GUEST_GO)
