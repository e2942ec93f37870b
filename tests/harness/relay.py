# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad cable: frames come late and in another order."""

import fcntl
import os
import random
import select
import struct
import threading
import time

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
FRAME_MAX = 65536


def open_tap(namespace, name):
    """A TAP of @namespace: a descriptor; the interface goes with it."""
    def make():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF,
                    struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        return fd
    return namespace.call(make)


class Relay:
    """A cable between @host and @network that holds every @one_in th frame, on
    average, back until later ones have passed it, or for @hold_s.

    Both ends are TAPs, so no checksum and no segmentation is left to a NIC.
    """

    def __init__(self, network, host, address, seed, one_in=20, hold_s=0.02):
        self.reordered = 0
        self.one_in, self.hold_s = one_in, hold_s
        self.random = random.Random(seed)
        self.ends = [open_tap(host, "relay0"),
                     open_tap(network.namespace, "relay0")]
        host.ip("link", "set", "relay0", "up")
        host.ip("address", "add", address, "dev", "relay0")
        network.namespace.ip("link", "set", "relay0", "master", "br0", "up")
        self._held = []     # (due, end, frame)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.is_set():
            timeout = min([0.1] + [max(0, due - time.monotonic())
                                   for due, _, _ in self._held])
            ready, _, _ = select.select(self.ends, [], [], timeout)
            for end in ready:
                self._pass(end)
            now = time.monotonic()
            for late in [held for held in self._held if held[0] <= now]:
                self._held.remove(late)
                self._put(late[1], late[2])

    def _pass(self, end):
        other = self.ends[1 - self.ends.index(end)]
        for _ in range(64):
            try:
                frame = os.read(end, FRAME_MAX)
            except BlockingIOError:
                return
            if self.random.randrange(self.one_in):
                self._put(other, frame)
            else:
                self.reordered += 1
                self._held.append((time.monotonic() + self.hold_s, other,
                                   frame))

    @staticmethod
    def _put(end, frame):
        try:
            os.write(end, frame)
        except OSError:
            pass    # a queue that is full loses frames

    def close(self):
        self._ended.set()
        self._thread.join()
        for end in self.ends:
            os.close(end)
