# SPDX-License-Identifier: GPL-2.0-or-later
"""No frame leaves before its checkpoint is durable, none is lost or reordered.

A program in the guest numbers raw frames and writes into each the epoch in
which it sent it; TCP would hide what a gate does wrong.  The capture is taken
where the frames arrive, in ckpt-netd; the times at which epochs became durable
are from ckptd's trace; both are the host's wall clock.
"""

import collections
import os
import signal

from base import PROGRAMS, SluiceTest, wait_for
from harness import numbered, pcap

# of the output ring in the hold (abi/ckpt-hold.h: half of the default)
HOLD_BYTES = 8 << 20


class Gate(SluiceTest):
    """sluice-frames in the guest, a capture at the netdev."""

    timeout = 600

    def setUp(self):
        super().setUp()
        self.capture = self.daemon.directory / "capture.pcap"

    def start_frames(self, *arguments, options=()):
        guest = self.daemon.run(
            PROGRAMS / "sluice-frames-musl", *arguments, name="frames",
            options=self.guest_options("--capture", self.capture, *options))
        wait_for(self.frames, 60, "the first frame")
        return guest

    def frames(self):
        """[(time_ns, number, epoch, generation)] of the numbered frames."""
        return numbered.numbered(pcap.frames(self.capture))

    def last_number(self):
        return numbered.last_number(self.frames())

    def wait_number(self, number, timeout_s=60):
        wait_for(lambda: self.last_number() >= number, timeout_s,
                 f"frame {number}", poll_s=0.1)

    def check_order(self, allow_doubled):
        numbered.check_order(self.frames(), allow_doubled)

    def check_not_early(self):
        frames = self.frames()  # first: the guest goes on sending
        epochs = numbered.check_not_early(frames, self.daemon.trace)
        self.log.info("%d frames of %d epochs", len(frames), epochs)
        self.assertGreater(epochs, 2)

    def test_no_frame_before_its_commit(self):
        """10 000 frames at full speed: in order, none early, none missing."""
        self.start_frames()
        self.wait_number(10000, 120)
        wait_for(lambda: len({e for _, _, e, _ in self.frames()}) > 10, 60,
                 "frames of eleven epochs", poll_s=0.1)
        self.check_order(allow_doubled=0)
        self.check_not_early()

    def test_kills_keep_order(self):
        """25 kills with two epochs in flight: in order, none missing, none
        early, none doubled but one between two writes of the release cursor
        (R1)."""
        guest = self.start_frames()
        for number in range(1, 26):
            self.wait_number(self.last_number()
                             + self.random.randrange(1, 400))
            with guest.two_in_flight():
                guest.kill_qemu_now()
            guest.wait_recovered(number)
        self.wait_number(self.last_number() + 500)
        self.check_order(allow_doubled=25)
        self.check_not_early()

    def test_full_hold_blocks_and_recovers(self):
        """ckptd stands still: the hold fills, the guest waits, nothing is
        dropped when it goes on."""
        guest = self.start_frames("--size", "1400")
        self.wait_number(100)
        pid = guest.status()["qemu_pid"]
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            self.wait_cpu_idle(pid)
            before = self.last_number()
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.wait_number(before + HOLD_BYTES // 1400, 120)
        self.check_order(allow_doubled=0)
        self.check_not_early()
        # No epoch could end meanwhile: what was held is of one epoch.
        per_epoch = collections.Counter(e for _, _, e, _ in self.frames())
        self.assertGreater(max(per_epoch.values()) * 1400, HOLD_BYTES // 2)

    def wait_cpu_idle(self, pid):
        """Until @pid uses next to no CPU: its guest has blocked."""
        ticks = os.sysconf("SC_CLK_TCK")
        state = {"last": None}

        def used():
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / ticks

        def idle():
            now, last = used(), state["last"]
            state["last"] = now
            return last is not None and now - last <= 0.02
        wait_for(idle, 60, "the guest waits for room in the hold", poll_s=0.5)
