# SPDX-License-Identifier: GPL-2.0-or-later
"""Named checkpoints: guests that begin with one, and what they have to say."""

import socket
import time

from .daemon import Guest, free_port
from .resp import command
from .waiting import Timeout

LOAD_BATCH = 2000           # requests sent before their replies are read
RETRY_S = 0.001


def name_checkpoint(guest, label):
    """Return: the epoch that has the name."""
    return guest.daemon.json("checkpoint", "--name", label,
                             guest.name)["epoch"]


def labels(daemon, *names):
    """["guest@label", ...] as `ckptctl ls` tells."""
    return sorted(f"{row['guest']}@{row['label']}"
                  for row in daemon.json("ls", *names))


def start_from(guest, label, name, *options):
    """A guest that begins with a checkpoint of @guest."""
    guest.daemon.ctl("start", "--from", f"{guest.name}@{label}", *options,
                     name)
    return Guest(guest.daemon, name)


def start_forwarded(guest, label, name, guest_port):
    """The same with user-mode networking.  Return: it, port of this host."""
    port = free_port()
    return start_from(guest, label, name, "-p", f"{port}:{guest_port}"), port


class Client:
    """One connection to a redis, one request after the other."""

    def __init__(self, address, *words, timeout_s=60):
        """Connect, again and again until something answers: a port of user-mode
        networking takes connections before its guest does.  @words: what is
        asked first, PING if nothing; self.first is the reply."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.sock = self.file = None
            try:
                self.sock = socket.create_connection(address, 5)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sock.settimeout(timeout_s)
                self.file = self.sock.makefile("rb")
                self.first = self.ask(*(words or ("PING",)))
                return
            except OSError as error:
                self.close()
                if time.monotonic() > deadline:
                    raise Timeout(f"no reply from {address} within "
                                  f"{timeout_s} s") from error
            time.sleep(RETRY_S)

    def ask(self, *words):
        """The reply to one request: bytes, int, str or None."""
        self.sock.sendall(command(*words))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed within a reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ValueError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        return rest.decode()

    def load(self, count, value_bytes=100):
        """Set key:0 to key:@count-1, as a program's data set is loaded."""
        for first in range(0, count, LOAD_BATCH):
            numbers = range(first, min(first + LOAD_BATCH, count))
            self.sock.sendall(b"".join(
                command("SET", f"key:{n}", value_of(n, value_bytes))
                for n in numbers))
            for n in numbers:
                if self._reply() != "OK":
                    raise ValueError(f"key:{n} was not set")

    def close(self):
        for end in (self.file, self.sock):
            if end:
                end.close()


def value_of(number, value_bytes=100):
    """What key:@number holds."""
    return (b"%d-" % number * value_bytes)[:value_bytes]


def random_pairs(guest):
    """What the program `randoms forever` printed in this guest, without its
    first line: that may have been read before the guest began."""
    lines = [line.split()[1:] for line in guest.logs().splitlines()
             if line.startswith("random ") and len(line.split()) == 3]
    return lines[1:]
