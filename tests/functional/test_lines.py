# SPDX-License-Identifier: GPL-2.0-or-later
"""Forks and rollbacks on a bridge, as neighbours see them (R2).

The program is tests/guest/programs/sluice-lines.c; what passes the clients'
cable is recorded.
"""

import socket

from base import PROGRAMS, wait_for
from harness import numbered, wire
from harness.daemon import Guest
from test_tap import GUESTS, TapTest

PORT = 7000
FORK, ROLLBACK = "1", "2"
RESET = 4       # bit of TCP's flags


class Client:
    """A connection to the program, made on a host."""

    def __init__(self, host, address):
        self.sock = host.call(lambda: socket.create_connection(
            (address, PORT), timeout=60))
        self.file = self.sock.makefile("r")

    def ask(self, word):
        """The program's answer, a list of words."""
        self.sock.sendall(word.encode() + b"\n")
        line = self.file.readline()
        if not line:
            raise ConnectionResetError("the connection is over")
        return line.split()

    def close(self):
        self.file.close()
        self.sock.close()


def resets(capture, address):
    """TCP resets that came from @address"""
    source = socket.inet_aton(address)
    return [frame for _, frame in capture.frames()
            if frame[12:14] == b"\x08\0" and frame[26:30] == source and
            frame[23] == socket.IPPROTO_TCP and frame[47] & RESET]


def speakers(capture, address):
    """Hardware addresses that sent as IPv4 @address, or said by ARP to be it"""
    source = socket.inet_aton(address)
    return {frame[6:12] for _, frame in capture.frames()
            if (frame[12:14] == b"\x08\0" and frame[26:30] == source) or
            (frame[12:14] == b"\x08\x06" and frame[28:32] == source)}


class Lines(TapTest):
    """One guest named, then begun again in several ways."""

    def setUp(self):
        super().setUp()
        self.capture = wire.Capture(self.clients)
        self.clients_open = []
        self.guest = self.daemon.run(
            PROGRAMS / "sluice-lines-musl", PORT, name="first",
            options=self.tap_options())
        self.guest.wait_log("ready", 120)

    def tearDown(self):
        for client in self.clients_open:
            client.close()
        self.capture.close()
        super().tearDown()

    def connect(self, address=GUESTS[0]):
        client = Client(self.clients, address)
        self.clients_open.append(client)
        return client

    def start_from(self, name, *options, address=GUESTS[1]):
        self.daemon.ctl("start", "--from", "first@warm", "--ip",
                        f"{address}/24", *options, name)
        return Guest(self.daemon, name)

    def test_fork_beside_the_original(self):
        """The original's connections live, the fork says nothing on them and
        is somebody else from its first frame on; recoveries keep it so."""
        original = self.connect()
        count = int(original.ask("count")[0])
        self.daemon.ctl("checkpoint", "--name", "warm", "first")
        second = self.start_from("second")
        fork = self.connect(GUESTS[1])
        line, why, generation = fork.ask("line")
        self.assertEqual((line, why), ("1", FORK))
        self.assertEqual(int(generation), second.status()["generation"])
        self.assertEqual(int(fork.ask("count")[0]), count + 1)
        self.assertEqual(int(original.ask("count")[0]), count + 1)
        wait_for(lambda: fork.ask("first")[0] == "1", 60, "the watcher")
        self.assertEqual(fork.ask("first")[2], GUESTS[1])
        wait_for(lambda: fork.ask("waited") == ["1"], 60, "the waiter")
        self.assertNotEqual(fork.ask("random"), original.ask("random"))
        self.assertNotEqual(fork.ask("draw"), original.ask("draw"))
        for recoveries in (1, 2):
            second.kill_qemu()
            second.wait_recovered(recoveries)
            self.assertEqual(fork.ask("wiped"), ["0", "77"])
            self.assertEqual(original.ask("wiped"), ["77", "77"])
            self.assertEqual(fork.ask("line")[0], "1")
            self.assertEqual(original.ask("line")[:2], ["0", "0"])
        self.assertEqual(resets(self.capture, GUESTS[0]), [])
        self.assertEqual(resets(self.capture, GUESTS[1]), [])
        first_mac = speakers(self.capture, GUESTS[0])
        second_mac = speakers(self.capture, GUESTS[1])
        self.assertEqual((len(first_mac), len(second_mac)), (1, 1))
        self.assertNotEqual(first_mac, second_mac)

    def test_no_two_starts_draw_alike(self):
        """Ten starts and four rollbacks: getrandom, /dev/urandom, the first
        draw of a thread that only computes, a generator that is reseeded."""
        self.connect().ask("random")
        self.daemon.ctl("checkpoint", "--name", "warm", "first")
        drawn = []

        def draw(address):
            client = self.connect(address)
            wait_for(lambda: client.ask("first")[0] == "1", 60, "the watcher")
            drawn.extend([*client.ask("random"), client.ask("first")[1],
                          *client.ask("draw")])
        for _ in range(10):
            self.start_from("second")
            draw(GUESTS[1])
            self.daemon.ctl("rm", "-f", "second")
        for _ in range(4):
            self.daemon.ctl("rollback", "first@warm")
            draw(GUESTS[0])
        self.assertEqual(len(drawn), 14 * 4)
        self.assertEqual(len(set(drawn)), len(drawn))

    def test_rollback_resets(self):
        """A rolled back guest is where it was, under its addresses; clients'
        connections are reset, those made after the checkpoint too."""
        before = self.connect()
        count = int(before.ask("count")[0])
        mono, wall = map(float, before.ask("clocks"))
        self.daemon.ctl("checkpoint", "--name", "warm", "first")
        after = self.connect()
        self.assertEqual(int(after.ask("count")[0]), count + 1)
        self.daemon.ctl("rollback", "first@warm")
        for client in (before, after):
            with self.assertRaises((ConnectionResetError, BrokenPipeError)):
                client.ask("count")
                client.ask("count")
        again = self.connect()
        self.assertEqual(again.ask("line")[:2], ["1", ROLLBACK])
        self.assertEqual(int(again.ask("count")[0]), count + 1)
        self.assertEqual(again.ask("wiped"), ["0", "77"])
        now_mono, now_wall = map(float, again.ask("clocks"))
        self.assertGreaterEqual(now_mono, mono)
        self.assertGreater(now_wall - wall, now_mono - mono)
        self.assertEqual(len(speakers(self.capture, GUESTS[0])), 1)
        self.assertTrue(resets(self.capture, GUESTS[0]))

    def test_held_frames_of_the_abandoned_line_never_appear(self):
        """Numbered frames without a pause, stepped back again and again: each
        time they go on from the same number without a gap, and nothing of the
        line before comes between."""
        guest = self.daemon.run(
            PROGRAMS / "sluice-frames-musl", "--rate", 3000, name="frames",
            options=self.tap_options(ip=GUESTS[1]))

        def seen():
            return numbered.numbered(self.capture.frames())

        def wait_for_more(more):
            target = len(seen()) + more
            wait_for(lambda: len(seen()) >= target, 120, f"{more} frames")
        wait_for_more(100)
        self.daemon.ctl("checkpoint", "--name", "warm", guest.name)
        for _ in range(6):
            wait_for_more(300)
            self.daemon.ctl("rollback", "frames@warm")
        wait_for_more(300)
        lines = [[]]
        for _, number, _, generation in seen():
            if lines[-1] and number <= lines[-1][-1][0]:
                lines.append([])
            lines[-1].append((number, generation))
        self.assertEqual(len(lines), 7)
        starts = {line[0][0] for line in lines[1:]}
        self.assertLessEqual(max(starts) - min(starts), 1)
        for line in lines:
            numbers = [number for number, _ in line]
            self.assertEqual(numbers, list(range(
                numbers[0], numbers[0] + len(numbers))))
            # The first may have asked before the line began.
            self.assertEqual(len({generation for _, generation in line[1:]}),
                             1)
