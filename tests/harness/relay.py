# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad cable: frames are lost, come twice, late and in another order.

What it does is drawn from a seed.  It needs no netem, and both of its ends are
such that no checksum and no segmentation is left to a NIC.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import threading
import time

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
ETH_P_ALL = 3
FRAME_MAX = 65536
LATE_S = 0.02


def open_tap(namespace, name):
    """A TAP of @namespace: a descriptor; the interface goes with it."""
    def make():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF,
                    struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        return fd
    return namespace.call(make) if namespace else make()


class TapEnd:
    """A TAP of @namespace (None: ours), seen from its program's side."""

    def __init__(self, name, namespace=None):
        self.fd = open_tap(namespace, name)

    def fileno(self):
        return self.fd

    def read(self):
        return os.read(self.fd, FRAME_MAX)

    def write(self, frame):
        os.write(self.fd, frame)

    def close(self):
        os.close(self.fd)


class PacketEnd:
    """An interface of ours, seen from the kernel's side."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(ETH_P_ALL))
        self.sock.setblocking(False)
        self.sock.bind((name, 0))

    def fileno(self):
        return self.sock.fileno()

    def read(self):
        """b"" for what goes the other way."""
        frame, address = self.sock.recvfrom(FRAME_MAX)
        return b"" if address[2] == socket.PACKET_OUTGOING else frame

    def write(self, frame):
        self.sock.send(frame)

    def close(self):
        self.sock.close()


class Cable:
    """Between two ends, [0] and [1]; good until set()."""

    def __init__(self, ends):
        self.ends = ends
        self.random = random.Random()
        self.loss = self.double = self.late = 0.0
        self.lost = self.doubled = self.reordered = 0
        self.holds = None   # tells which frames to keep; see hold()
        self.held = []      # (number of the end it came from, frame)
        self._lock = threading.Lock()
        self._waiting = []  # (due, count, number of the end, frame)
        self._count = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set(self, seed=0, loss=0.0, double=0.0, late=0.0):
        """From now on so many of all frames are lost, come twice, or come up
        to LATE_S later."""
        with self._lock:
            self.random.seed(seed)
            self.loss, self.double, self.late = loss, double, late

    def hold(self, which):
        """Keep frames for which which(number of the end, frame) is true, in
        self.held, until release()."""
        with self._lock:
            self.holds = which

    def release(self):
        """What was kept goes on its way."""
        with self._lock:
            self.holds = None
            for number, frame in self.held:
                self._put(number, frame, 0)
            self.held = []

    def _put(self, number, frame, delay):
        self._count += 1
        heapq.heappush(self._waiting, (time.monotonic() + delay, self._count,
                                       number, frame))

    def _pass(self, number, frame):
        if self.holds and self.holds(number, frame):
            self.held.append((number, frame))
            return
        chance = self.random.random
        copies = 2 if chance() < self.double else 1
        self.doubled += copies - 1
        for _ in range(copies):
            if chance() < self.loss:
                self.lost += 1
                continue
            late = chance() < self.late
            self.reordered += late
            self._put(number, frame, chance() * LATE_S if late else 0)

    def _take(self, number):
        for _ in range(64):
            try:
                frame = self.ends[number].read()
            except OSError:     # no more, or the interface is not up
                return
            if frame:
                self._pass(number, frame)

    def _deliver(self):
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, number, frame = heapq.heappop(self._waiting)
            try:
                self.ends[1 - number].write(frame)
            except OSError:
                pass    # nobody is there yet, or a queue is full

    def _run(self):
        while not self._ended.is_set():
            timeout = 0.1
            if self._waiting:
                timeout = min(timeout, max(
                    0, self._waiting[0][0] - time.monotonic()))
            ready, _, _ = select.select(self.ends, [], [], timeout)
            with self._lock:
                for end in ready:
                    self._take(self.ends.index(end))
                self._deliver()

    def close(self):
        self._ended.set()
        self._thread.join()
        for end in self.ends:
            end.close()


HOST, NETWORK = 0, 1    # the ends of a Relay


class Relay(Cable):
    """The cable of @host to @network, instead of its eth0: at the host's end is
    relay0, with @address."""

    def __init__(self, network, host, address):
        super().__init__([TapEnd("relay0", host),
                          TapEnd("relay0", network.namespace)])
        host.ip("address", "flush", "dev", "eth0")
        host.ip("link", "set", "relay0", "up")
        host.ip("address", "add", address, "dev", "relay0")
        network.namespace.ip("link", "set", "relay0", "master", "br0", "up")
