# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash of QEMU, of ckptd or of both is packet loss to a client."""

import contextlib
import os
import signal
import time

from base import RedisLoad, SluiceTest, wait_for
from harness.daemon import BUILD, process_state


class Kills(SluiceTest):
    """Redis under load; processes killed at random moments."""

    timeout = 600

    def _pause(self):
        time.sleep(self.random.uniform(0.05, 0.8))

    def _load(self, port, seconds=3600, **keywords):
        load = RedisLoad(port, seed=self.seed, **keywords)
        load.start(seconds)
        return load

    def test_qemu_killed_connections_live(self):
        """10 kills of QEMU at any moment: nothing lost or doubled, 16
        connections kept."""
        guest, port = self.start_redis()
        load = self._load(port)
        for number in range(1, 11):
            self._pause()
            guest.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
            guest.wait_recovered(number)
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.status()["recoveries"], 10)

    def test_qemu_killed_two_epochs_in_flight(self):
        """20 kills of QEMU, each with two epochs captured, neither durable."""
        guest, port = self.start_redis()
        load = self._load(port)
        for number in range(1, 21):
            self._pause()
            with guest.two_in_flight():
                guest.kill_qemu_now()
            load.mark()
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
            guest.wait_recovered(number)
        load.stop()
        self.check_load(load)

    def test_ckptd_killed_guest_runs_on(self):
        """10 kills of ckptd: the same QEMU goes on without losing an epoch."""
        guest, port = self.start_redis()
        pid = guest.qemu_pid()
        load = self._load(port)
        for number in range(10):
            self._pause()
            self.daemon.kill()
            self.daemon.start()
            load.mark()
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        load.stop()
        self.check_load(load)
        status = guest.status()
        self.assertEqual(status["qemu_pid"], pid)

    def test_both_killed(self):
        """10 kills of QEMU and ckptd together, two epochs in flight."""
        guest, port = self.start_redis()
        load = self._load(port)
        for number in range(10):
            self._pause()
            with guest.two_in_flight():
                first, second = self.random.sample(
                    [self.daemon.kill, guest.kill_qemu_now], 2)
                first()
                second()
            self.daemon.start()
            load.mark()
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        load.stop()
        self.check_load(load)

    def start_ckptd_that_stops(self):
        """At its next start of a QEMU, which stops as well before it has done
        anything.  Return: a file; without it that QEMU would go on."""
        hold = self.daemon.directory / "hold"
        hold.touch()
        qemu = self.daemon.directory / "slow-qemu"
        qemu.write_text(f"#!/bin/sh\ntest ! -e {hold} || kill -STOP $$\n"
                        f"exec {BUILD}/qemu/qemu-system-x86_64 \"$@\"\n")
        qemu.chmod(0o755)
        self.daemon.environment["SLUICE_QEMU"] = str(qemu)
        self.daemon.environment["SLUICE_STOP_AT"] = "executed"
        self.daemon.start()
        return hold

    def test_ckptd_killed_before_the_network_is_joined(self):
        """ckptd dies when it has started QEMU and not yet given the other end
        of its cable to ckpt-netd.  The next one sees that this QEMU, which is
        going to call, talks to nobody, and starts another."""
        guest, port = self.start_redis()
        load = self._load(port, connections=4)
        self.daemon.kill()
        hold = self.start_ckptd_that_stops()
        load.wait_acknowledged(200)
        guest.kill_qemu(load)
        self._wait_stopped(self.daemon.process.pid)
        pid = int((self.daemon.runtime / "guests" / guest.name / "qemu.pid")
                  .read_text(encoding="ascii").split()[0])
        self._wait_stopped(pid)
        self.daemon.kill()
        self.daemon.environment.pop("SLUICE_STOP_AT")
        hold.unlink()
        self.daemon.start()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    @staticmethod
    def _wait_stopped(pid):
        wait_for(lambda: process_state(pid) == "T", 60, f"{pid} stops")

    def test_cold_start_from_store(self):
        """After everything was killed the data is there, from disk alone."""
        guest, port = self.start_redis()
        load = self._load(port)
        load.wait_acknowledged(500)
        load.stop()
        self.check_load(load)
        self.daemon.ctl("kill", guest.name)
        self.daemon.kill()
        self.daemon.start()
        self.daemon.ctl("recover", guest.name)
        guest.wait_state("running")
        again = RedisLoad(port, seed=self.seed)
        again.know(load)
        again.start(3600)
        again.wait_acknowledged(200)
        again.stop()
        self.check_load(again)
