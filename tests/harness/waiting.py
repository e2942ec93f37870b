# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition with a deadline, instead of sleeping."""

import time


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_for(condition, timeout_s, what, poll_s=0.02):
    """Return the first true value of condition(), or raise Timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"{what}: not within {timeout_s} s")
        time.sleep(poll_s)
