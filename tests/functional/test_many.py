# SPDX-License-Identifier: GPL-2.0-or-later
"""Many guests of one ckptd, and what it does where the host has not enough.

SLUICE_MANY_GUESTS=200 makes it as many as are promised; without it there are
as few as take half a minute.
"""

import os
import signal

from base import PROGRAMS, SluiceTest
from harness.daemon import BUILD, Daemon
from harness.waiting import wait_for

GUESTS = int(os.environ.get("SLUICE_MANY_GUESTS", "10"))
TIMEOUT_S = 120 + 3 * GUESTS
QEMU = BUILD / "qemu" / "qemu-system-x86_64"


class ManyTest(SluiceTest):
    def begin(self, name):
        return self.daemon.run(
            PROGRAMS / "pause-forever-musl", name=name,
            options=["--memory", "24", "--net", "none"])

    def rows(self):
        return self.daemon.json("ps")

    def wait_all(self, condition, what):
        wait_for(lambda: all(condition(row) for row in self.rows()),
                 TIMEOUT_S, what, poll_s=0.3)


class Together(ManyTest):
    def test_killed_together_and_found_again(self):
        """Each guest begins, all of their QEMUs are killed at once, each goes
        on; ckptd is killed with them running, and the next one has them all."""
        guests = [self.begin(f"g{i}") for i in range(GUESTS)]
        for guest in guests:
            guest.wait_log("waiting", TIMEOUT_S)
            self.daemon.ctl("checkpoint", guest.name)
        pids = [guest.qemu_pid() for guest in guests]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for guest in guests:
            guest.wait_recovered(1, TIMEOUT_S)
        after = {guest.name: guest.qemu_pid() for guest in guests}
        self.daemon.kill()
        self.daemon.start()
        self.wait_all(lambda row: row["state"] == "running",
                      "all are found again")
        self.assertEqual(
            {guest.name: guest.qemu_pid() for guest in guests}, after)
        fds = len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))
        self.log.info("%d guests, %d descriptors", GUESTS, fds)


class Shortage(ManyTest):
    def make_daemon(self):
        daemon = Daemon()
        self.qemu = daemon.directory / "qemu"
        self.qemu.symlink_to(QEMU)
        daemon.environment["SLUICE_QEMU"] = str(self.qemu)
        return daemon

    def test_qemu_that_cannot_be_executed_is_tried_again(self):
        """While QEMU is not there a guest that crashed waits and loses
        nothing; it goes on by itself when QEMU is back."""
        guest = self.begin("guest")
        guest.wait_log("waiting")
        self.daemon.ctl("checkpoint", guest.name)
        self.qemu.unlink()
        guest.kill_qemu()
        status = guest.wait_status(
            lambda s: "tried again" in s["reason"], 60, "a reason")
        self.assertEqual(status["state"], "recovering")
        self.qemu.symlink_to(QEMU)
        guest.wait_recovered(1)
        self.assertEqual(guest.status()["recoveries"], 1)

    def test_one_that_waits_for_qemu_can_be_ended(self):
        guest = self.begin("guest")
        guest.wait_log("waiting")
        self.daemon.ctl("checkpoint", guest.name)
        self.qemu.unlink()
        guest.kill_qemu()
        guest.wait_status(lambda s: "tried again" in s["reason"], 60,
                          "a reason")
        self.daemon.ctl("kill", guest.name)
        self.assertEqual(guest.status()["state"], "stopped")
        self.qemu.symlink_to(QEMU)
        self.daemon.ctl("recover", guest.name)
        guest.wait_state("running")

    def test_verify_of_a_guest_that_is_up_says_so(self):
        guest = self.begin("guest")
        guest.wait_log("waiting")
        self.daemon.ctl("checkpoint", guest.name)
        done = self.daemon.try_ctl("verify", guest.name)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("guest is up and its store in use", done.stderr)


class Descriptors(ManyTest):
    def make_daemon(self):
        daemon = Daemon()
        plain = daemon._command

        def command(program, *arguments):
            argv = plain(program, *arguments)
            limit = ["prlimit", "--nofile=32:128"]
            return limit + argv if program == "ckptd" else argv
        daemon._command = command
        return daemon

    def test_too_few_are_named_and_those_that_run_go_on(self):
        """The soft limit is raised; where the hard one is reached a guest is
        refused, the limit is named, and what runs recovers."""
        guests = []
        while True:
            name = f"g{len(guests)}"
            done = self.daemon.try_ctl(
                "run", "--name", name, "--memory", "24", "--net", "none",
                PROGRAMS / "pause-forever-musl")
            if done.returncode:
                break
            guests.append(name)
            self.assertLess(len(guests), 20)
        self.assertIn("RLIMIT_NOFILE", done.stderr)
        self.assertIn("128 descriptors", done.stderr)
        self.assertGreater(len(guests), 1)
        names = [row["name"] for row in self.rows()]
        self.wait_all(lambda row: row["state"] == "running" or
                      row["name"] not in guests, "all run")
        for name in guests:
            self.daemon.ctl("crash", name)
        for name in guests:
            wait_for(lambda n=name: self.daemon.json("status", n)["state"]
                     == "running"
                     and self.daemon.json("status", n)["recoveries"] == 1,
                     TIMEOUT_S, f"{name} goes on", poll_s=0.3)
        self.log.info("%d guests in 128 descriptors, %s", len(guests), names)
