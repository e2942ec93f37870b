# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of clients at once: each is served, none is reset.

How quickly is what `make bench` prints.
"""

from base import PROGRAMS, SluiceTest, free_port
from harness import crowd

PORT = 7000


class CrowdTest(SluiceTest):
    """User-mode networking: TCP of the clients ends in ckpt-netd."""

    def start(self, count, verify):
        """A guest with an echo server, and @count clients that connect."""
        if not crowd.room_for(count):
            self.cancel(f"no {count} descriptors (ulimit -Hn)")
        port = free_port()
        guest = self.daemon.run(
            PROGRAMS / "echo-epoll-musl", str(PORT), ports=[(port, PORT)],
            options=self.guest_options("--memory", "96", verify=verify))
        guest.wait_log("listening", 120)
        clients = crowd.Crowd(("127.0.0.1", port), count)
        self.addCleanup(clients.close)
        clients.connect()
        return guest, clients

    def check_call(self, clients, meanwhile=None):
        errors, times = clients.call(120, meanwhile)
        self.assertEqual(errors[:5], [])
        self.log.info("%d answered within %.2f s", len(times), times[-1])

    def test_3000_connect_and_send_at_once(self):
        """3000 clients connect and send at once, and once more."""
        _, clients = self.start(3000, verify=False)
        self.check_call(clients)
        self.check_call(clients)

    def test_5000_connections_outlive_qemu(self):
        """QEMU is killed while 5000 connections talk: each goes on, and no
        byte is lost or doubled."""
        guest, clients = self.start(2500, verify=True)
        self.check_call(clients)
        if not crowd.room_for(5000):
            self.cancel("no 5000 descriptors (ulimit -Hn)")
        clients.grow(2500)
        self.check_call(clients)
        self.check_call(clients, guest.kill_qemu)
        guest.wait_recovered(1)
        self.check_call(clients)
