# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU monitor (docs/interop/qmp-spec in QEMU's source)."""

import json
import socket
import time


class Monitor:
    """A connection to the socket @path: commands, and what QEMU tells by
    itself.  QEMU talks to one at a time."""

    def __init__(self, path, timeout_s=30):
        self._events = []
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout_s)
        try:
            self._sock.connect(str(path))
            self._stream = self._sock.makefile("rw", encoding="utf-8")
            self._message()
            self.command("qmp_capabilities")
        except BaseException:
            self._sock.close()
            raise

    def _message(self):
        return json.loads(self._stream.readline())

    def command(self, name, **arguments):
        """Execute @name, return what it returned."""
        self._stream.write(json.dumps({"execute": name,
                                       "arguments": arguments}) + "\n")
        self._stream.flush()
        while True:
            message = self._message()
            if "error" in message:
                raise RuntimeError(message["error"]["desc"])
            if "return" in message:
                return message["return"]
            self._events.append(message)

    def wait(self, event, timeout_s=60):
        """The data of the next @event; others before it are passed over."""
        self._sock.settimeout(timeout_s)
        until = time.monotonic() + timeout_s
        while True:
            message = self._events.pop(0) if self._events else self._message()
            if message.get("event") == event:
                return message.get("data", {})
            if time.monotonic() > until:
                raise TimeoutError(f"no event {event} within {timeout_s} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._sock.close()


def command(path, name, **arguments):
    """One command to the monitor at @path."""
    with Monitor(path) as monitor:
        return monitor.command(name, **arguments)
