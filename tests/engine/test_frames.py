#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_frames.py - output on its way when its other end does not take it

  test_frames.py --tap [TEST...]       as test_engine.py

The netdev is a byte stream whose reader is here: it reads or does not, goes
away and comes back.  The guest sends long frames, as many as the hold takes.
"""

import os
import select
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_ckptd import EPOCH_LAST, FREEZE, LOG  # noqa: E402
from test_engine import Bench, Qmp, check, run  # noqa: E402

FRAME = struct.Struct('<6s6sHHII')
FRAME_BYTES, FRAME_TYPE = 1514, 0xb588
RING_BYTES = ((1 << 20) - 4096) // 2    # of the hold


def until_quiet(b, qmp, read):
    """Nothing comes any more, whatever QEMU's main loop finds to do"""
    quiet = 0
    while quiet < 10:
        qmp.run('query-status')
        quiet = 0 if read() else quiet + 1


class Stream(Bench):
    """A bench at whose netdev's other end is a listening socket"""

    def __init__(self, family=socket.AF_UNIX):
        super().__init__('wait=4 flood=1 pages=5 mode=1')
        self.listener = socket.socket(family)
        if family == socket.AF_UNIX:
            path = os.path.join(self.dir.name, 'wire.sock')
            self.listener.bind(path)
            self.netdev = ('stream,id=n0,server=off,reconnect-ms=20,'
                           f'addr.type=unix,addr.path={path}')
        else:
            self.listener.bind(('127.0.0.1', 0))
            port = self.listener.getsockname()[1]
            self.netdev = f'socket,id=n0,connect=127.0.0.1:{port}'
        self.listener.listen(1)
        self.wire = None
        self.bytes = b''

    def __exit__(self, *args):
        super().__exit__(*args)
        self.listener.close()
        self.disconnect()

    def disconnect(self):
        if self.wire:
            self.wire.close()
            self.wire = None
            self.bytes = b''

    def begin(self):
        """Return: a monitor of the guest, which sends"""
        self.start()
        self.accept()
        self.until(lambda: self.ckptd.committed, 'an epoch')
        return Qmp(self.qmp_path)

    def accept(self):
        self.until(lambda: select.select([self.listener], [], [], 0)[0],
                   'the netdev')
        self.wire = self.listener.accept()[0]

    def read(self):
        """What is there now.  Return: was there anything?"""
        some = False
        while select.select([self.wire], [], [], 0)[0]:
            data = self.wire.recv(1 << 16)
            check(data, 'the netdev has closed its connection')
            self.bytes += data
            some = True
        return some

    def frames(self):
        """Numbers of the whole frames so far; all begin where they should"""
        numbers, at = [], 0
        while len(self.bytes) - at >= 4 + FRAME_BYTES:
            length = struct.unpack_from('>I', self.bytes, at)[0]
            check(length == FRAME_BYTES, f'frame of {length} bytes')
            frame = FRAME.unpack_from(self.bytes, at + 4)
            check(frame[2] == FRAME_TYPE, frame)
            numbers.append(frame[5])
            at += 4 + length
        return numbers

    def until_frames(self, n):
        self.until(lambda: self.read() and len(self.frames()) >= n, 'frames')

    def until_stuffed(self, qmp):
        """All is durable, the hold is full, and nothing leaves any more"""
        seen = []

        def stuffed():
            info = qmp.run('query-ckpt')['return']
            seen.append((info['held-bytes'], info['committed'],
                         self.ckptd.tx_cursor()))
            return seen[-1][0] > RING_BYTES - 2 * FRAME_BYTES and \
                info['committed'] == info['epoch'] - 1 and \
                len(seen) > 10 and len(set(seen[-10:])) == 1
        self.until(stuffed, 'a full hold')


# --- tests: each name is a promise -----------------------------------------

def test_guest_goes_on_with_the_next_peer_of_its_netdev():
    with Stream() as b:
        qmp = b.begin()
        for _ in range(3):
            b.until_stuffed(qmp)
            b.disconnect()
            b.accept()
            b.until_frames(500)
            numbers = b.frames()
            check(numbers == list(range(numbers[0], numbers[-1] + 1)),
                  'frames are missing, doubled or cut')


def test_guest_goes_on_without_a_peer():
    with Stream(socket.AF_INET) as b:
        b.until_stuffed(b.begin())
        b.disconnect()
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 20, 'epochs')


def test_move_takes_along_the_frame_that_is_half_sent():
    with Stream() as b:
        qmp = b.begin()
        b.until_stuffed(qmp)
        b.ckptd.hold_back = True        # the last epoch has to wait
        for n in 1, 2:
            qmp.run('ckpt-commit')
            b.until(lambda n=n: len(b.ckptd.held_back) == n, 'epochs')
        b.ckptd.send(FREEZE)
        until_quiet(b, qmp, lambda: b.ckptd.run_once(0))
        cursor = b.ckptd.tx_cursor()
        until_quiet(b, qmp, b.read)
        check(b.ckptd.tx_cursor() == cursor, 'a frame left behind FREEZE')
        numbers = b.frames()
        b.ckptd.hold_back = False
        b.ckptd.commit_all()
        b.until(lambda: b.ckptd.last_hold, 'the last')
        b.kill()
        b.disconnect()
        b.ckptd.move_hold()
        b.start()
        b.accept()
        b.until_frames(500)
        numbers += b.frames()
        check(numbers == list(range(1, len(numbers) + 1)),
              'frames are missing or doubled')


def test_move_takes_along_the_log_that_ckptd_has_not_read():
    with Bench('pages=5 mode=1 wait=0') as b:
        b.start()
        b.ckptd.hold_back = True
        b.until(lambda: len(b.ckptd.held_back) == 2, 'two in flight')
        qmp = Qmp(b.qmp_path)
        while qmp.run('query-ckpt')['return']['held-bytes'] < RING_BYTES // 2:
            pass
        b.ckptd.commit_all()
        b.until(lambda: b.ckptd.held_back, 'an epoch that says a lot')
        b.ckptd.commit_all()                # more than the socket takes
        b.ckptd.send(FREEZE)
        qmp.run('query-status')
        b.ckptd.hold_back = False
        b.until(lambda: b.ckptd.epochs[-1][1] & EPOCH_LAST, 'the last')
        told = len(b.ckptd.output)
        check(told > 100, told)
        until_quiet(b, qmp, lambda: b.ckptd.run_once(0))
        check(len(b.ckptd.output) == told, 'output behind the last epoch')
        b.kill()
        b.ckptd.move_hold()
        b.start()
        b.until(lambda: len(b.ckptd.output) > told + 20000, 'the rest')
        seqs = [o[3] for o in b.ckptd.output if o[0] == LOG]
        check(len(seqs) == len(set(seqs)), 'said twice')
        b.assert_rounds()


def cpu_ticks(b):
    """What its QEMU has used so far"""
    with open(f'/proc/{b.qemu.pid}/stat', encoding='ascii') as file:
        return sum(map(int, file.read().rsplit(') ', 1)[1].split()[11:13]))


def test_as_many_records_as_the_hold_takes_leave_at_once():
    with Bench('pages=0 wait=0') as b:
        b.ckptd.hold_bytes = 8 << 20
        b.start()
        b.until(lambda: b.ckptd.committed > 2, 'epochs')
        qmp = Qmp(b.qmp_path)
        b.ckptd.hold_back = True
        b.until(lambda: qmp.run('query-ckpt')['return']['held-bytes'] >
                3 << 20, 'a full hold')
        qmp.run('stop')
        said = cpu_ticks(b)
        b.ckptd.hold_back = False
        b.ckptd.commit_all()
        qmp.run('ckpt-commit')
        b.until(lambda: len(b.ckptd.output) > (3 << 20) // 64, 'the log')
        left = cpu_ticks(b)
        check(left - said < 10 * said,
              f'{said} ticks to say them, {left - said} to send them')
        b.assert_rounds()


if __name__ == '__main__':
    sys.exit(run(globals()))
