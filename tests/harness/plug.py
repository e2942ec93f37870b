# SPDX-License-Identifier: GPL-2.0-or-later
"""A switch of two ports, for QEMU's netdevs that speak over TCP."""

import contextlib
import socket
import threading


class Plug:
    """Whoever connects to @port of the loopback is connected to the unix
    socket @path, for as long as both last; one after the other.  Frames pass
    as they come: their framing is the same on both sides."""

    def __init__(self, path):
        self._path = str(path)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            back = threading.Thread(target=self._pass, args=(far, near),
                                    daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
            near.close()
            far.close()

    @staticmethod
    def _pass(source, sink):
        """Until either end is closed."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Take no more; what is connected goes with its ends."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(20)
