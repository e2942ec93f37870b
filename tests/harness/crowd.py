# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of connections of one thread to an echo server."""

import resource
import selectors
import socket
import time

SPARE_FDS = 100
MESSAGE_BYTES = 1000


def room_for(count):
    """Raise this process's limit of descriptors.  Return: does it suffice?"""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard >= count + SPARE_FDS


class Crowd:
    """@count clients that connect to @address at once."""

    def __init__(self, address, count):
        self.address = address
        self.socks = [socket.socket() for _ in range(count)]
        self.calls = 0

    def _message(self, number):
        head = f"client {number} call {self.calls} "
        return head.encode().ljust(MESSAGE_BYTES, b".")

    def grow(self, count):
        """So many more, which connect at once."""
        more = [socket.socket() for _ in range(count)]
        self._connect(more)
        self.socks += more

    def connect(self):
        """All at once; they are connected when call() says so."""
        self._connect(self.socks)

    def _connect(self, socks):
        for sock in socks:
            sock.setblocking(False)
            sock.connect_ex(self.address)

    def call(self, timeout_s, meanwhile=None):
        """Each sends a message of its own and gets it back; @meanwhile is
        called when all have something to do and some have not been answered.

        Return: what went wrong, as text for each client; seconds until each
        of the others had its answer.
        """
        self.calls += 1
        began = time.monotonic()
        errors, times = [], []
        with selectors.DefaultSelector() as waiting:
            for number, sock in enumerate(self.socks):
                waiting.register(sock, selectors.EVENT_WRITE,
                                 (number, bytearray()))
            while waiting.get_map():
                if time.monotonic() > began + timeout_s:
                    errors += [f"client {key.data[0]}: {len(key.data[1])} "
                               f"bytes within {timeout_s} s"
                               for key in waiting.get_map().values()]
                    break
                for key, _ in waiting.select(0.5):
                    self._step(waiting, key, errors, times, began)
                if meanwhile and len(times) > len(self.socks) // 4:
                    meanwhile()
                    meanwhile = None
        return errors, times

    def _step(self, waiting, key, errors, times, began):
        number, got = key.data
        message = self._message(number)
        try:
            if key.events == selectors.EVENT_WRITE:
                key.fileobj.sendall(message)
                waiting.modify(key.fileobj, selectors.EVENT_READ, key.data)
                return
            piece = key.fileobj.recv(2 * MESSAGE_BYTES)
        except OSError as error:
            errors.append(f"client {number}: {error}")
            waiting.unregister(key.fileobj)
            return
        got += piece
        if piece and len(got) < len(message):
            return
        waiting.unregister(key.fileobj)
        if got == message:
            times.append(time.monotonic() - began)
        else:
            errors.append(f"client {number}: {len(got)} bytes, "
                          f"{'wrong' if piece else 'then the end'}")

    def close(self):
        for sock in self.socks:
            sock.close()
