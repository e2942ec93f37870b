# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet that the NIC has taken is not lost by a crash of QEMU.

TCP would repair such a loss and hide it.  Here the packets are numbered datagrams,
each sent once, and frames below IP.  They are taken in an epoch that never
becomes a checkpoint: only the journal in the hold has them when QEMU dies.
"""

import contextlib
import socket
import struct

from base import PROGRAMS, BridgeTest, SluiceTest, free_port, wait_for
from harness import wire

GUEST = "10.77.0.9"
CLIENT_MAC = bytes.fromhex("020000000001")
PORT = 7000
NUMBER = struct.Struct("!Q")
HEADERS_BYTES = 14 + 20 + 8     # Ethernet, IP, UDP
BURST = 200
KILLS = 3


class Datagrams:
    """Numbered datagrams to one that gives them back."""

    def __init__(self, sock, to):
        self.sock = sock
        self.to = to
        self.sent = 0
        self.returned = []

    def send(self, count):
        for number in range(self.sent, self.sent + count):
            self.sock.sendto(NUMBER.pack(number), self.to)
        self.sent += count

    def wait_returned(self):
        """Until all came back at least once."""
        def all_here():
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.returned.append(
                        NUMBER.unpack(self.sock.recv(NUMBER.size))[0])
            return len(set(self.returned)) == self.sent
        wait_for(all_here, 60, f"all of {self.sent} come back")

    def doubled(self):
        return len(self.returned) - len(set(self.returned))


def record_bytes(frame_bytes):
    """What a frame takes of the journal (struct ckpt_hold_record)."""
    return 32 + -(-frame_bytes // 32) * 32


def kill_with_untold(test, guest, journal_bytes, send):
    """QEMU dies when it has taken what @send() sends, which is @journal_bytes
    of the journal, and no checkpoint has any of it."""
    with guest.two_in_flight():
        before = guest.qmp("query-ckpt")["journal-bytes"]
        send()
        wait_for(lambda: guest.qmp("query-ckpt")["journal-bytes"]
                 >= before + journal_bytes, 60, "the NIC takes all")
        test.assertEqual(guest.qmp("query-ckpt")["in-flight"], 2)
        guest.kill_qemu_now()


def check_datagrams(test, guest, datagrams):
    """Kills, each with BURST datagrams taken: all come back; twice only one
    for each kill (R1)."""
    guest.wait_state("running")
    datagrams.send(1)           # so that each knows the other by ARP
    datagrams.wait_returned()
    for kill in range(1, KILLS + 1):
        kill_with_untold(test, guest, BURST * record_bytes(HEADERS_BYTES + NUMBER.size),
                         lambda: datagrams.send(BURST))
        guest.wait_recovered(kill)
        datagrams.wait_returned()
    test.assertLessEqual(datagrams.doubled(), KILLS)


class User(SluiceTest):
    """User-mode networking, a port of the host."""

    def test_datagrams_outlive_qemu(self):
        """Three kills, each with 200 datagrams taken: the guest gets them
        all, once."""
        port = free_port(socket.SOCK_DGRAM)
        guest = self.daemon.run(
            PROGRAMS / "udp-echo-musl", PORT, name="echo",
            options=self.guest_options("-p", f"{port}:{PORT}/udp"))
        guest.wait_log("ready")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            check_datagrams(self, guest, Datagrams(sock, ("127.0.0.1", port)))


class Tap(BridgeTest):
    """An interface on a bridge, the sender in another namespace."""

    def start(self, *command):
        return self.daemon.run(
            *command, name="echo",
            options=self.guest_options("--net", "tap,bridge=br0",
                                       "--ip", f"{GUEST}/16"))

    def test_datagrams_outlive_qemu(self):
        """As with user-mode networking."""
        guest = self.start(PROGRAMS / "udp-echo-musl", PORT)
        guest.wait_log("ready")
        sock = self.clients.call(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with sock:
            sock.setblocking(False)
            check_datagrams(self, guest, Datagrams(sock, (GUEST, PORT)))

    def test_frames_outlive_qemu(self):
        """Questions by ARP, which nothing repeats: each is answered."""
        guest = self.start(PROGRAMS / "pause-forever-musl")
        guest.wait_state("running")
        asked = []
        with wire.Capture(self.clients) as capture:
            def answered():
                arps = [wire.arp_of(frame) for _, frame in capture.frames()]
                return [arp[3] for arp in arps
                        if arp and arp[0] == 2 and arp[2] == GUEST]
            for kill in range(KILLS):
                peers = [f"10.77.{kill + 1}.{n}" for n in range(1, 101)]
                frames = [wire.arp_frame(1, CLIENT_MAC, peer, GUEST)
                          for peer in peers]
                kill_with_untold(
                    self, guest, sum(record_bytes(len(f)) for f in frames),
                    lambda frames=frames: wire.send(self.clients, frames))
                asked += peers
                guest.wait_recovered(kill + 1)
                wait_for(lambda: set(answered()) >= set(asked), 60,
                         "each question is answered")
