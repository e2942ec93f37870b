# SPDX-License-Identifier: GPL-2.0-or-later
"""The Redis serialization protocol (RESP2), as far as the load needs it."""

import socket


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
    """One connection, one question at a time; bytes and integers only."""

    def __init__(self, host, port, timeout_s=60):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.stream = self.socket.makefile("rb")

    def command(self, *words):
        """Send it and wait for the reply, however long the server is away."""
        self.socket.sendall(command(*words))
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("connection closed within a reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            length = int(rest)
            return self.stream.read(length + 2)[:-2] if length >= 0 else None
        if kind == b":":
            return int(rest)
        if kind != b"+":
            raise ReplyError(line.decode())
        return rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()


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
