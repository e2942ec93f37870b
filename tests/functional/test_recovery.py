# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recovered guest is told, and nothing else (R1).

A recovery is packet loss and time: the generation counts one up, the wall clock
is right again, the monotonic clock goes on as if nothing had been, and the
network learns by ARP where the address is.  A program in the guest writes both
clocks and the generation into numbered frames; the capture is ckpt-netd's.
"""

import collections
import signal
import socket
import struct
import time

from base import PROGRAMS, SluiceTest, wait_for
from harness import pcap

ETHERTYPE_ARP, ETHERTYPE_NUMBERED = 0x0806, 0x88b5
DOWN_S = 3

Numbered = collections.namedtuple(
    "Numbered", "number epoch generation monotonic_ns wall_ns")
# struct sluice_numbered_frame of tests/guest/programs/sluice-frames.c
PAYLOAD = struct.Struct("<QQQQQ")


class Recovery(SluiceTest):
    """A guest that is away for a while, and what it says before and after."""

    def setUp(self):
        super().setUp()
        self.capture = self.daemon.directory / "capture.pcap"

    def captured(self, ethertype):
        """[(time_ns, frame)] of one type, oldest first."""
        return [(time_ns, frame)
                for time_ns, frame in pcap.frames(self.capture)
                if struct.unpack(">H", frame[12:14])[0] == ethertype]

    def numbered(self):
        return [Numbered(*PAYLOAD.unpack_from(frame, 14))
                for _, frame in self.captured(ETHERTYPE_NUMBERED)]

    def away(self, guest, recoveries):
        """QEMU dies, and nobody looks for DOWN_S.  Return: when that ended."""
        guest.wait_state("running")
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            guest.kill_qemu_now()
            time.sleep(DOWN_S)
        finally:
            end_ns = time.time_ns()
            self.daemon.process.send_signal(signal.SIGCONT)
        guest.wait_recovered(recoveries)
        return end_ns

    def start_frames(self):
        guest = self.daemon.run(
            PROGRAMS / "sluice-frames-musl", "--rate", "50", name="frames",
            options=self.guest_options("--capture", self.capture))
        wait_for(self.numbered, 60, "the first frame")
        return guest

    def wait_generation(self, generation):
        wait_for(lambda: self.numbered()[-1].generation >= generation, 60,
                 f"a frame of generation {generation}")

    def test_clocks_and_generation(self):
        """Monotonic goes on, the wall clock steps, the generation counts."""
        guest = self.start_frames()
        for recoveries in (1, 2):
            before = self.numbered()[-1]
            end_ns = self.away(guest, recoveries)
            self.wait_generation(before.generation + 1)
            self.check_step(before.generation, end_ns)

    def check_step(self, generation, end_ns):
        frames = self.numbered()
        self.assertEqual(frames[-1].generation, generation + 1)
        first = next(f for f in frames if f.generation == generation + 1)
        last = next(f for f in frames if f.number == first.number - 1)
        self.log.info("monotonic +%d ms, wall clock +%d ms",
                      (first.monotonic_ns - last.monotonic_ns) // 10**6,
                      (first.wall_ns - last.wall_ns) // 10**6)
        self.assertGreaterEqual(first.monotonic_ns, last.monotonic_ns)
        self.assertLess(first.monotonic_ns - last.monotonic_ns,
                        DOWN_S * 10**9 // 2)
        self.assertGreaterEqual(first.wall_ns, end_ns, "the wall clock is late")
        self.assertLessEqual(first.wall_ns, time.time_ns())
        self.assertEqual([f.generation for f in frames],
                         sorted(f.generation for f in frames))

    def test_address_is_announced(self):
        """The network is told where the address is now, by broadcast."""
        guest = self.start_frames()
        end_ns = self.away(guest, 1)

        def announced():
            return [frame for time_ns, frame in self.captured(ETHERTYPE_ARP)
                    if time_ns >= end_ns and frame[28:32] == frame[38:42]]
        frame = wait_for(announced, 60, "ARP of the guest for itself")[0]
        self.assertEqual(frame[:6], b"\xff" * 6)
        self.assertEqual(frame[6:12], frame[22:28])
        self.log.info("announced %s", socket.inet_ntoa(frame[28:32]))
