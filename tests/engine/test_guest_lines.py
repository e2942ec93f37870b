#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guest_lines.py - kernel and library in a new line, with a fake ckptd

  test_guest_lines.py --tap [TEST...]  TAP; ENGINE_SEED=N repeats a run

As test_lines.py, but what runs is tests/guest/programs/sluice-lines.c under the
real kernel and library. One thread of it only computes until its line changes;
what it saw then is in its log.
"""

import copy
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_ckptd import (COMMIT_NOW, FORK, LOG, RESTORE,  # noqa: E402
                        ROLLBACK, identity)
from test_engine import SEED, TOP, Bench, check, run  # noqa: E402

BUILD = os.environ.get('SLUICE_BUILD', os.path.join(TOP, 'build'))
MAC = bytes.fromhex('020000000055')
STARTS = 6


class Guest(Bench):
    """The program in a guest at 10.0.0.2"""

    netdev = 'user,id=n0,restrict=on'   # takes frames, answers none of ours
    kernel = os.path.join(BUILD, 'guest-kernel/sluice-kernel.elf')
    words = ['-l', f'{BUILD}/guest-libc/libsluiceos.elf', '-n',
             '10.0.0.2/24,gateway=10.0.0.1',
             f'{BUILD}/guest-programs/sluice-lines-musl', '7000']

    def __init__(self, **fake):
        super().__init__('', **fake)
        self.bundle = tempfile.NamedTemporaryFile(suffix='.bundle')
        subprocess.run(
            [f'{BUILD}/ckptd/ckpt-bundle', '-o', self.bundle.name,
             *self.words], check=True)

    def __exit__(self, *args):
        super().__exit__(*args)
        self.bundle.close()

    def start(self, engine=',verify=on', args=(), **more):
        super().start(engine, ['-initrd', self.bundle.name, *args], **more)

    def said(self, word):
        text = b''.join(o[4] for o in self.ckptd.output if o[0] == LOG)
        return [line.split()[1:] for line in text.decode().splitlines()
                if line.startswith(word)]

    def checkpoint_somewhere(self, rng):
        """Let it run for a while; nothing is promised of where it is then"""
        have = self.ckptd.committed
        self.serve(rng.random() * 0.2)
        self.until(lambda: self.ckptd.committed > have + rng.randrange(3),
                   'epochs')
        self.kill()
        self.ckptd.held_back = []


class Waiting(Guest):
    """Threads of test-line.c, without network and library"""

    image = f'{BUILD}/tests/guest/kernel/kernel-tests.elf'
    words = ['-l', image, image, 'line']


class Named:
    """What the fake ckptd had at one time"""

    WHAT = 'committed', 'image', 'recent', 'devstate', 'hash'

    def __init__(self, ckptd):
        self.state = {w: copy.copy(getattr(ckptd, w)) for w in self.WHAT}

    def put_back(self, ckptd):
        for what, value in self.state.items():
            setattr(ckptd, what, copy.copy(value))


# --- tests: each name is a promise -----------------------------------------

def test_no_two_starts_draw_alike_wherever_the_checkpoint_was():
    rng = random.Random(SEED)
    drawn = []
    with Guest(max_interval_ms=200) as b:
        b.start()
        b.until(lambda: b.said('ready') == [[]], 'the program')
        for _ in range(4):
            b.checkpoint_somewhere(rng)
            named = Named(b.ckptd)
            for i in range(STARTS):
                why = rng.choice((FORK, ROLLBACK))
                named.put_back(b.ckptd)
                b.ckptd.output = []
                b.ckptd.line = lambda generation: [
                    identity(why, generation, MAC, f'10.0.0.{20 + i}')]
                b.start()
                b.until(lambda: b.said('first'), 'the thread that computes')
                check(b.ckptd.action == RESTORE, b.errors())
                _, number, address = b.said('first')[0]
                check(address == f'10.0.0.{20 + i}', address)
                drawn.append(number)
                b.kill()
            named.put_back(b.ckptd)
            b.ckptd.output = []
            b.start()
        check(len(set(drawn)) == len(drawn) == 4 * STARTS, drawn)


def test_recovery_is_no_new_line():
    rng = random.Random(SEED)
    with Guest(max_interval_ms=200) as b:
        b.start()
        b.until(lambda: b.said('ready') == [[]], 'the program')
        for _ in range(5):
            b.checkpoint_somewhere(rng)
            b.start()
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 5, 'epochs')
        check(not b.said('first'), b.said('first'))


def test_every_thread_that_waits_for_ever_is_told_of_a_new_line():
    for why in FORK, ROLLBACK:
        with Waiting() as b:
            b.start()
            b.until(lambda b=b: b.said('ready') == [[]], 'the threads')
            have = b.ckptd.committed
            b.ckptd.send(COMMIT_NOW)
            b.until(lambda b=b, have=have: b.ckptd.committed > have, 'epoch')
            b.kill()
            b.ckptd.line = lambda generation, why=why: [
                identity(why, generation, MAC, '10.0.0.20')]
            b.start()
            b.until(lambda b=b: len(b.said('told')) == 4, 'all four')
            check(b.ckptd.action == RESTORE, b.errors())
            check(not b.said('woken'), b.said('woken'))


if __name__ == '__main__':
    sys.exit(run(globals()))
