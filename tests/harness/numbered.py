# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbered frames of tests/guest/programs/sluice-frames.c, and what has to
hold for them (G1 to G3)."""

import struct

from . import trace

ETHERTYPE = 0x88b5
# the first fields of struct sluice_numbered_frame
PAYLOAD = struct.Struct("<QQQ")


def numbered(frames):
    """[(time_ns, number, epoch, generation)] of (time_ns, frame) pairs."""
    found = []
    for time_ns, frame in frames:
        if len(frame) >= 14 + PAYLOAD.size and \
                struct.unpack_from(">H", frame, 12)[0] == ETHERTYPE:
            found.append((time_ns, *PAYLOAD.unpack_from(frame, 14)))
    return found


def last_number(found):
    return max((number for _, number, _, _ in found), default=-1)


def check_order(found, allow_doubled):
    """Every number from 0, in order.  Of each kill the last frame before it
    may come again right behind itself (R1), and no other.

    Return: how many there are.
    """
    expected, doubled = 0, 0
    again = False
    for _, number, _, _ in found:
        if number < expected:
            assert number == expected - 1 and not again, \
                f"frame {number} came again behind {expected - 1}"
            doubled += 1
            again = True
            continue
        assert number == expected, \
            f"frame {expected} is missing before {number}"
        expected += 1
        again = False
    assert doubled <= allow_doubled, f"{doubled} frames came twice"
    return expected


def check_not_early(found, trace_path):
    """Each frame was seen after its epoch was durable (G3).

    Return: how many epochs they are of.
    """
    durable = trace.durable_times(trace_path)
    for time_ns, number, epoch, _ in found:
        assert epoch in durable, \
            f"frame {number}: epoch {epoch} never became durable"
        assert time_ns >= durable[epoch], \
            f"frame {number} of epoch {epoch} was early by " \
            f"{durable[epoch] - time_ns} ns"
    return len({epoch for _, _, epoch, _ in found})
