#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_lines.py - forks, rollbacks and names, with a fake ckptd (R2)

  test_lines.py --tap [TEST...]        TAP

As test_engine.py. The guest sends a frame in each round; they come out here.
"""

import os
import re
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_ckptd import (COMMIT_NOW, FORK, NAMED, RESTORE,  # noqa: E402
                        ROLLBACK, WELCOME_HOLD, WELCOME_NEW_LINE, identity)
from test_engine import GUEST, Bench, Qmp, check, run  # noqa: E402

OWN = bytes.fromhex('525400123456')     # QEMU's first
NEW = bytes.fromhex('0200000000aa')
FRAME = struct.Struct('<6s6sHHII')


def address_of(symbol):
    """In the guest's memory, which is mapped one to one"""
    names = subprocess.run(['nm', GUEST], check=True, stdout=subprocess.PIPE,
                           text=True).stdout
    return '0x' + re.search(rf'^(\w+) \w {symbol}$', names, re.MULTILINE)[1]


class Wire(Bench):
    """A bench that receives what the guest sends"""

    def __init__(self, cmdline, **fake):
        super().__init__('wait=4 pages=5 mode=1 ' + cmdline, **fake)
        self.wire_path = os.path.join(self.dir.name, 'wire.sock')
        self.wire = None
        self.frames = []                # (source, line, round)
        self.stuffed = False            # take no frames

    def start(self, engine=',verify=on', args=(), **more):
        if self.wire:
            self.wire.close()
            os.unlink(self.wire_path)
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(self.wire_path)
        self.frames = []
        self.netdev = ('dgram,id=n0,local.type=unix,local.path='
                       f'{self.wire_path}.qemu,remote.type=unix,'
                       f'remote.path={self.wire_path}')
        super().start(engine, ['-trace', 'ckpt_nic_new_line', *args], **more)

    def kill(self):
        super().kill()
        self.receive()
        os.unlink(self.wire_path + '.qemu')

    def __exit__(self, *args):
        super().__exit__(*args)
        self.wire.close()

    def receive(self):
        while not self.stuffed and select.select([self.wire], [], [], 0)[0]:
            frame = FRAME.unpack_from(self.wire.recv(1 << 14))
            self.frames.append((frame[1], *frame[4:]))

    def until(self, condition, what):
        def look():
            self.receive()
            return condition()
        super().until(look, what)

    def until_frames(self, n, what='frames'):
        have = len(self.frames)
        self.until(lambda: len(self.frames) >= have + n, what)

    def until_epochs(self, n):
        have = self.ckptd.committed
        self.until(lambda: self.ckptd.committed >= have + n, 'epochs')

    def said(self, word):
        return [int(o[4].split()[1]) for o in self.ckptd.output
                if o[4].startswith(word.encode() + b' ')]

    def begin(self, why, mac):
        """The next restore begins a new line, until an epoch of it is there"""
        self.ckptd.line = lambda generation: [identity(why, generation, mac)]

    def end_and_begin(self, why, mac, frames=5):
        """A line that sends @frames ends, the next restore begins another"""
        self.start()
        self.until_frames(frames)
        self.kill()
        self.begin(why, mac)

    def check_frames(self, n, mac):
        """The next @n are the new line's, and all before them were"""
        self.until_frames(n)
        check(all(f[:2] == (mac, 1) for f in self.frames), self.frames)

    def commit_before_it_runs(self):
        """The new line has an epoch, in which nothing happened"""
        before = self.ckptd.generation
        self.start(args=['-S'])
        self.until(lambda: self.ckptd.sock and self.ckptd.generation > before,
                   'HELLO')
        self.ckptd.send(COMMIT_NOW)
        self.until_epochs(1)
        check(self.ckptd.line is None, 'the line has an epoch')
        self.kill()

    def run_until_it_is_said(self, why, **more):
        told = self.said('line')
        self.start(**more)
        self.until(lambda: self.said('line') != told, 'the guest to hear')
        check(self.ckptd.action == RESTORE, self.errors())
        check(self.said('line') == told + [why], self.said('line'))

    def query(self):
        return Qmp(self.qmp_path).run('query-ckpt')['return']

    def refused(self):
        return self.query()['refused-frames']

    def end_epoch(self):
        """That which runs, until it is durable"""
        epoch = self.query()['epoch']
        self.ckptd.send(COMMIT_NOW)
        self.until(lambda: self.ckptd.committed >= epoch, 'the epoch')

    def tx_counters(self):
        """prod and cons of the guest's TX ring, as they are in its memory"""
        words = Qmp(self.qmp_path).run('human-monitor-command', **{
            'command-line': 'xp /9wx ' + address_of('tx')})['return']
        words = re.findall('0x[0-9a-f]{8}', words)
        return words[0], words[8]


# --- tests: each name is a promise -----------------------------------------

def test_fork_speaks_only_as_itself():
    with Wire('') as b:
        b.start()
        b.until_frames(20)
        check(all(f[:2] == (OWN, 0) for f in b.frames), b.frames)
        b.kill()
        b.begin(FORK, NEW)
        b.run_until_it_is_said(FORK)
        b.until(lambda: b.said('generation'), 'the rest')
        check(b.said('generation') == [b.ckptd.generation], b.ckptd.output)
        b.check_frames(20, NEW)


def test_guest_that_does_not_listen_is_not_heard():
    with Wire('deaf=1') as b:
        b.end_and_begin(FORK, NEW, 20)
        b.run_until_it_is_said(FORK)
        for _ in range(3):              # and so in each later generation
            b.until_epochs(20)
            check(b.refused() > 10, b.refused())
            check(not b.frames, b.frames)
            b.kill()
            b.start()
        check(b.qemu.poll() is None, b.errors())


def test_rollback_keeps_its_address():
    for mac in (OWN, None):             # told, or not
        with Wire('deaf=1') as b:
            b.end_and_begin(ROLLBACK, mac)
            b.run_until_it_is_said(ROLLBACK)
            b.check_frames(20, OWN)


def test_what_lies_in_a_full_ring_is_discarded():
    for why, mac in ((FORK, NEW), (ROLLBACK, OWN)):
        with Wire('flood=1') as b:
            b.start()
            b.until_frames(20)
            b.stuffed = True            # what is committed cannot leave either
            prod = cons = before = None
            while prod == cons or (prod, cons) != before:
                before = prod, cons
                b.end_epoch()
                prod, cons = b.tx_counters()
            b.kill()
            b.stuffed = False
            b.begin(why, mac)
            b.run_until_it_is_said(why)
            b.check_frames(50, mac)
            found = re.findall(r'(\d+) descriptors discarded', b.errors())
            check([int(n) > 0 for n in found] == [True], b.errors())


def test_line_is_said_until_an_epoch_of_it_is_durable():
    with Wire('') as b:
        b.end_and_begin(FORK, NEW)
        b.ckptd.hold_back = True
        for i in range(3):
            b.start()
            b.until(lambda: b.ckptd.held_back, 'an epoch')
            check(not b.said('line'), 'said before its commit')
            b.kill()
            b.ckptd.held_back = []
        b.ckptd.hold_back = False
        b.run_until_it_is_said(FORK)
        b.kill()
        b.start()
        b.check_frames(10, NEW)         # and not said again


def test_guest_that_has_not_run_yet_is_told_after_a_recovery():
    with Wire('') as b:
        b.end_and_begin(FORK, NEW)
        b.commit_before_it_runs()
        b.run_until_it_is_said(FORK)
        b.check_frames(20, NEW)


def test_fork_rolled_back_before_it_ran_is_still_a_fork():
    with Wire('') as b:
        b.end_and_begin(FORK, NEW)
        b.commit_before_it_runs()
        b.begin(ROLLBACK, NEW)
        b.run_until_it_is_said(FORK)


def bad_lines(generation):
    """WELCOMEs that ckptd may not send: flags, identities, count or None"""
    good = identity(FORK, generation, NEW)
    line, hold = WELCOME_NEW_LINE, WELCOME_HOLD
    return (
        (line, [], None), (0, [good], None), (line | hold, [good], None),
        (line, [good], 2), (line, [good], 0), (line, [good], 1 << 31),
        (line, [good] * 2, None), (line, [good] * 17, None),
        (line, [good[:-1]], None), (line, [good + bytes(8)], None),
        (line, [identity(3, generation, NEW)], None),
        (line, [identity(FORK, generation + 1, NEW)], None),
        (line, [identity(FORK, generation, bytes(6))], None),
        (line, [identity(FORK, generation, b'\1' + NEW[1:])], None),
        (line, [identity(FORK, generation, NEW, process=16)], None),
        (line, [identity(FORK, generation, NEW, flags=4)], None),
        (line, [identity(FORK, generation, NEW, flags=2)], None),
        (line, [good[:40] + b'x' * 64 + good[104:]], None),
        (line, [good, identity(ROLLBACK, generation, OWN, process=1)], None),
        (line, [good, identity(FORK, generation, OWN)], None),
    )


def test_malformed_line_is_refused_with_a_reason():
    with Wire('') as b:
        b.start()
        b.until_frames(5)
        b.kill()
        for i in range(len(bad_lines(0))):
            flags, ids, count = bad_lines(b.ckptd.generation + 1)[i]

            def mangle(data):
                head = bytearray(data[:64])
                struct.pack_into('<I', head, 8, flags)
                struct.pack_into('<I', head, 60,
                                 len(ids) if count is None else count)
                return bytes(head) + b''.join(ids)

            b.ckptd.mangle = mangle
            before = len(b.errors())
            b.start()
            check(b.until_exit() == 1, f'{i}: status {b.qemu.returncode}')
            os.unlink(b.wire_path + '.qemu')
            check(re.search("ckptd's (WELCOME|identity) ", b.errors()[before:]),
                  f'{i}: {b.errors()[before:]}')
        b.ckptd.mangle = None
        b.start()
        b.until_frames(5)


def test_monitor_names_a_checkpoint():
    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        qmp = Qmp(b.qmp_path)
        b.ckptd.hold_back = True
        epoch = qmp.run('ckpt-name', label='warm')['return']['epoch']
        check('still being named' in
              qmp.run('ckpt-name', label='two')['error']['desc'], 'two')
        b.until(lambda: b.ckptd.held_back, 'the epoch')
        check(not b.ckptd.names, 'NAME before the epoch is durable')
        b.ckptd.hold_back = False
        b.ckptd.commit_all()
        b.until(lambda: b.ckptd.names, 'NAME')
        check(b.ckptd.names == [(epoch, 'warm')], b.ckptd.names)
        event = qmp.event('CKPT_NAMED')
        check(event == {'label': 'warm', 'epoch': epoch}, event)
        b.ckptd.refuse_name = b'there is one'
        qmp.run('ckpt-name', label='warm')
        b.until(lambda: len(b.ckptd.names) == 2, 'NAME')
        event = qmp.event('CKPT_NAMED')
        check(event == {'label': 'warm', 'epoch': 0, 'error': 'there is one'},
              event)
        for label in ('', 'x' * 49, 'a\nb'):
            check('error' in qmp.run('ckpt-name', label=label), label)


def test_name_that_ckptd_did_not_answer_is_reported():
    with Bench('pages=10 wait=2') as b:
        b.start(',reconnect-ms=2')
        b.until(b.rounds, 'the log line')
        qmp = Qmp(b.qmp_path)
        b.ckptd.drop_names = True
        qmp.run('ckpt-name', label='warm')
        b.until(lambda: b.ckptd.names, 'NAME')
        b.ckptd.disconnect()
        event = qmp.event('CKPT_NAMED')
        check(event['epoch'] == 0 and 'went away' in event['error'], event)
        b.ckptd.listen()
        b.ckptd.drop_names = False
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.sock, 'ckptd to be back')
        epoch = qmp.run('ckpt-name', label='again')['return']['epoch']
        b.until(lambda: len(b.ckptd.names) == 2, 'NAME')
        check(epoch > have and
              qmp.event('CKPT_NAMED')['label'] == 'again', 'named')


def test_answer_that_nobody_asked_for_costs_the_connection():
    with Bench('pages=10 wait=2') as b:
        b.start(',reconnect-ms=2')
        b.until(b.rounds, 'the log line')
        b.ckptd.action = 0
        b.ckptd.send(NAMED, b.ckptd.committed)
        b.until(lambda: b.ckptd.action, 'another HELLO')


if __name__ == '__main__':
    sys.exit(run(globals()))
