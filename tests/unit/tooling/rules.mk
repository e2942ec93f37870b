# SPDX-License-Identifier: GPL-2.0-or-later
#
# rules.mk - tests of what runs the tests

CHECK_UNIT += tests/unit/tooling/test-run-suite
