# SPDX-License-Identifier: GPL-2.0-or-later
"""The Redis serialization protocol (RESP2), as far as clients here need it."""

import socket
import time

from .waiting import Timeout

LOAD_BATCH = 2000           # requests sent before their replies are read
RETRY_S = 0.001


def command(*words):
    """One request as bytes; words are bytes or str or int."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class ReplyError(Exception):
    """The server answered with an error, or not in RESP."""


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
            raise ReplyError(rest.decode())
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
                    raise ReplyError(f"key:{n} was not set")

    def close(self):
        for end in (self.file, self.sock):
            if end:
                end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def value_of(number, value_bytes=100):
    """What key:@number holds."""
    return (b"%d-" % number * value_bytes)[:value_bytes]


async def read_reply(reader):
    """The next reply of an asyncio stream: int, str, bytes, None or list."""
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("connection closed within a reply")
    kind, rest = line[:1], line[1:-2]
    if kind == b":":
        return int(rest)
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise ReplyError(rest.decode())
    if kind == b"$":
        length = int(rest)
        if length < 0:
            return None
        return (await reader.readexactly(length + 2))[:-2]
    if kind == b"*":
        return [await read_reply(reader) for _ in range(int(rest))]
    raise ReplyError(f"not RESP: {line!r}")
