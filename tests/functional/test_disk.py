# SPDX-License-Identifier: GPL-2.0-or-later
"""A full disk only makes a guest wait: its connections stay, nothing is lost,
and when there is space again it goes on by itself."""

import os
import unittest

from base import REDIS, RedisLoad, SluiceTest, wait_for
from harness.daemon import Daemon
from harness.small_disk import SmallDisk, missing

DISK_MIB = 320
LEAVE_MIB = 64      # redis boots and gets a segment of 32 MiB, but not two
FULL = r"no space on .*/guests/redis: 32\.0 MiB needed, .* free"


@unittest.skipIf(missing(), missing())
class FullDisk(SluiceTest):
    """Redis under a checked load; ckptd's state is on a small disk."""

    def make_daemon(self):
        daemon = Daemon()
        self.disk = daemon.host = SmallDisk(daemon.state, DISK_MIB)
        self.addCleanup(self.disk.empty)
        return daemon

    def tearDown(self):
        try:
            super().tearDown()
        finally:
            self.disk.close()

    def _fill(self, *options, state="waiting"):
        """Redis, and then a full disk: it has the segments that are there.
        Return: the guest, its load, its status in @state."""
        self.disk.fill(LEAVE_MIB)
        guest, port = self.start_redis(*options)
        load = RedisLoad(port, seed=self.seed, connections=8)
        load.start(3600)
        self.addCleanup(load.stop)
        self.disk.fill()
        return guest, load, guest.wait_state(state, 200)

    def _go_on(self, guest, load):
        """Until clients are answered again; nothing was lost or doubled."""
        load.mark()
        self.disk.empty()
        guest.wait_state("running")
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    def _count(self, text):
        return self.daemon.log.read_text(errors="replace").count(text)

    def test_guest_waits_while_the_disk_is_full(self):
        """No connection is lost, QEMU is the same, and status, ps and the log
        say what is missing, the log once."""
        guest, load, status = self._fill()
        self.assertRegex(status["reason"], FULL)
        self.assertIn("waiting", self.daemon.ctl("ps"))
        self.assertRegex(self.daemon.ctl("status", "redis"), FULL)
        refused = self.daemon.try_ctl("run", "--name", "other", "--net", "none",
                                      *REDIS)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("No space left on device", refused.stderr)
        self.assertEqual(guest.status()["committed"], status["committed"])
        self._go_on(guest, load)
        self.assertEqual(self._count("running -> waiting: no space"), 1)
        self.assertEqual(self._count("waiting -> running"), 1)
        after = guest.status()
        self.assertEqual((after["qemu_pid"], after["recoveries"]),
                         (status["qemu_pid"], 0))

    def test_deaths_while_the_disk_is_full(self):
        """QEMU and ckptd are killed while the guest waits: it goes on from
        what clients were told, as soon as there is space."""
        guest, load, status = self._fill()
        os.kill(status["qemu_pid"], 9)
        wait_for(lambda: guest.status()["recoveries"] == 1, 60, "recovery")
        self.daemon.kill()
        self.daemon.start()
        self._go_on(guest, load)

    def test_stop_when_the_disk_is_full(self):
        """--on-full stop: the guest ends and says why; `recover` works."""
        guest, load, status = self._fill("--on-full", "stop", state="failed")
        self.assertIn("No space left on device", status["reason"])
        self.disk.empty()
        self.daemon.ctl("recover", "redis")
        guest.wait_state("running")
        load.stop()
