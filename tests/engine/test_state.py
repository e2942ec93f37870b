#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_state.py - ckpt-nic believes no device state that makes no sense

  test_state.py --tap [TEST...]        as test_engine.py

The state of a checkpoint is changed, as a rotten store or the other end of a
migration could; the next QEMU must say what is wrong with it, and end.
"""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_ckptd import COMMIT_NOW, MAILBOX, RESTORE  # noqa: E402
from test_engine import Bench, Qmp, check, run       # noqa: E402

MBOX_BYTES = 256
# Behind a section's name: instance, version; behind a subsection's: version
NIC, MAILBOX_SECTION = b'\x08ckpt-nic', b'\x10ckpt-nic/mailbox'
NIC_FIELDS = 8
MAILBOX_FIELDS = 4

# Offsets in the device's fields, and what may not stand there
TX, RX, QUEUE, AFTER = 12, 32, '>QIII', 52
BAD_FIELDS = (
    (0, '>I', (0x20,), 'interrupts'), (4, '>I', (1 << 31,), 'interrupts'),
    (8, '>I', (2,), 'queue'), (8, '>I', (0xffffffff,), 'queue'),
    (TX, QUEUE, (1, 16, 1, 0), 'TX queue'),             # odd address
    (TX, QUEUE, (-64 & (1 << 64) - 1, 16, 1, 0), 'TX queue'),
    (TX, QUEUE, (0, 0, 1, 0), 'TX queue'),              # runs without entries
    (TX, QUEUE, (0, 3, 1, 0), 'TX queue'), (TX, QUEUE, (0, 2048, 1, 0), 'TX'),
    (TX, QUEUE, (0, 16, 3, 0), 'TX queue'), (TX, QUEUE, (0, 16, 4, 0), 'TX'),
    (TX, QUEUE, (0, 16, 8, 0), 'TX queue'),
    (RX, QUEUE, (0, 16, 5, 0), 'RX queue'),             # waits for the gate
    (AFTER + 20, '>I', (4,), 'result'),
)
# And in its mailbox: count, then messages as they lie in memory
BAD_MAILBOX = (
    (0, '>I', (17,)), (0, '>I', (0xffffffff,)),
    (4, '<I', (0,)), (4, '<I', (5,)), (4, '<I', (1 << 31,)),
    (8, '<I', (241,)), (8, '<I', (4096,)), (8, '<I', (0xfffffff0,)),
)


def with_unread_mail(b):
    """A guest with a running ring and a message; it is killed"""
    b.start()
    b.until(b.rounds, 'the log line')
    Qmp(b.qmp_path).run('stop')
    have = b.ckptd.committed
    b.ckptd.send(MAILBOX, payload=b'\1\0\0\0' + bytes(MBOX_BYTES - 4))
    b.ckptd.send(COMMIT_NOW)
    b.until(lambda: b.ckptd.committed > have, 'COMMIT_NOW')
    b.kill()


def refused(b, at, kind, values):
    """The next QEMU finds @values there.  Return: what it says"""
    good = b.ckptd.devstate
    bad = bytearray(good)
    struct.pack_into(kind, bad, at, *values)
    b.ckptd.devstate = bytes(bad)
    before = len(b.errors())
    b.start()
    check(b.until_exit() == 1, f'{values}: status {b.qemu.returncode}')
    b.ckptd.devstate = good
    return b.errors()[before:]


# --- tests: each name is a promise -----------------------------------------

def test_mailbox_that_makes_no_sense_is_refused():
    with Bench('pages=10 wait=2') as b:
        with_unread_mail(b)
        begins = b.ckptd.devstate.index(MAILBOX_SECTION) + \
            len(MAILBOX_SECTION) + MAILBOX_FIELDS
        for at, kind, values in BAD_MAILBOX:
            said = refused(b, begins + at, kind, values)
            check('ckpt-nic: ' in said and 'mailbox' in said, said)
        b.start()
        b.until(lambda: any(o[4].startswith(b'mail 1') for o in
                            b.ckptd.output), 'the guest to read it')


def test_registers_that_make_no_sense_are_refused():
    with Bench('pages=10 wait=2') as b:
        with_unread_mail(b)
        begins = b.ckptd.devstate.index(NIC) + len(NIC) + NIC_FIELDS
        for at, kind, values, word in BAD_FIELDS:
            said = refused(b, begins + at, kind, values)
            check('ckpt-nic: ' in said and word in said,
                  f'{at} {values}: {said}')
        b.start()
        b.until(lambda: b.ckptd.action == RESTORE and any(
            o[4].startswith(b'mail 1') for o in b.ckptd.output), 'the guest')


def test_queue_that_is_off_may_have_any_address():
    with Bench('pages=10 wait=2') as b:
        with_unread_mail(b)
        begins = b.ckptd.devstate.index(NIC) + len(NIC) + NIC_FIELDS
        state = bytearray(b.ckptd.devstate)
        struct.pack_into(QUEUE, state, begins + TX, 1, 0, 0, 0)
        b.ckptd.devstate = bytes(state)
        b.start()
        b.until(lambda: b.ckptd.action == RESTORE and any(
            o[4].startswith(b'mail 1') for o in b.ckptd.output), 'the guest')


if __name__ == '__main__':
    sys.exit(run(globals()))
