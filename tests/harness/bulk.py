# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of tests/guest/programs/bulk.c: every byte is compared."""

import concurrent.futures
import socket
import time

PATTERN = bytes((i * 7 >> 3) & 255 for i in range(8 * 256))


def pattern(size, start=0):
    """What bulk.c sends: it repeats after 2048 bytes"""
    start %= len(PATTERN)
    whole = PATTERN * (size // len(PATTERN) + 2)
    return whole[start:start + size]


def expect_pattern(got, size):
    assert len(got) == size, f"{len(got)} bytes of {size}"
    assert got == pattern(size), "other bytes came"


def read_all(conn, pause=0.0, piece=1 << 16):
    """Up to the end, with a pause after each piece"""
    got = bytearray()
    while True:
        data = conn.recv(piece)
        if not data:
            return bytes(got)
        got += data
        if pause:
            time.sleep(pause)


def send_pattern(conn, size, pause=0.0, start=0):
    """@size bytes that go on at @start"""
    at = start
    while at < start + size:
        n = min(start + size - at, 1 << 15)
        conn.sendall(pattern(n, at))
        at += n
        if pause:
            time.sleep(pause)


def together(*jobs):
    """All at once; raises what one of them raises"""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


class Bulk:
    """Clients on @host (of hosts.py; None: here) of the server at @address"""

    def __init__(self, address, host=None, deadline_s=60):
        self.address, self.host = address, host
        self.deadline_s = deadline_s

    def _dial(self, receive_bytes):
        conn = socket.socket()
        conn.settimeout(self.deadline_s)
        if receive_bytes:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        conn.connect(self.address)
        return conn

    def open(self, line=None, receive_bytes=0):
        """A connection on which the server has its orders"""
        conn = self.host.call(lambda: self._dial(receive_bytes)) \
            if self.host else self._dial(receive_bytes)
        if line:
            conn.sendall(f"{line}\n".encode())
        return conn

    def ask(self, line):
        """The server's answer, as numbers"""
        with self.open(line) as conn:
            return [int(word) for word in read_all(conn).split()]

    def take(self, size, pause_ms=0, **how):
        """The server sends, with a pause of its own; @how we read"""
        with self.open(f"source {size} {pause_ms}") as conn:
            expect_pattern(read_all(conn, **how), size)

    def give(self, size, pause_ms=0, pause=0.0):
        """The server reads, with a pause of its own, to our end"""
        with self.open(f"sink {pause_ms}") as conn:
            send_pattern(conn, size, pause)
            conn.shutdown(socket.SHUT_WR)
            report = read_all(conn)
            assert report == f"{size} 0\n".encode(), report

    def exchange(self, size):
        """Both at once"""
        with self.open(f"both {size}") as conn, \
                concurrent.futures.ThreadPoolExecutor(1) as sender:
            sent = sender.submit(send_pattern, conn, size)
            got = bytearray()
            while len(got) < size:
                data = conn.recv(1 << 16)
                assert data, f"closed after {len(got)} bytes"
                got += data
            # Its direction is idle now, ours goes on for as long as we like.
            sent.result()
            conn.shutdown(socket.SHUT_WR)
            got += read_all(conn)
            expect_pattern(bytes(got[:size]), size)
            assert got[size:] == f"{size} 0\n".encode(), got[size:]

    def all_ways(self, size=150000):
        """Each of them, twice at once"""
        together(*[lambda: self.take(size), lambda: self.give(size),
                   lambda: self.exchange(size // 2)] * 2)

    def half_closed(self, pause, size=400000):
        """We have said all, and read when the server has long closed"""
        with self.open(f"source {size} 0", receive_bytes=4096) as conn:
            conn.shutdown(socket.SHUT_WR)
            time.sleep(pause)
            expect_pattern(read_all(conn), size)

    def not_read(self, pause, size=400000):
        """The same without an end of our own"""
        with self.open(f"source {size} 0", receive_bytes=4096) as conn:
            time.sleep(pause)
            expect_pattern(read_all(conn), size)

    def slow(self, size=300000):
        """Windows that shut and open all the time, at either end and at
        both"""
        together(
            lambda: self.take(size, pause=0.002, piece=4096),
            lambda: self.give(2 * size, pause_ms=20),
            lambda: self.take(size, pause_ms=50, pause=0.002, piece=4096),
            lambda: self.give(size, pause_ms=10, pause=0.02))

    def server_ends_first(self, size, more):
        """The server ends its direction, ours goes on"""
        with self.open(f"half {size}") as conn:
            expect_pattern(read_all(conn), size)
            send_pattern(conn, more)
            conn.shutdown(socket.SHUT_WR)
