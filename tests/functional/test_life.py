# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a guest as ckptctl shows it."""

import os
import re
import stat
import subprocess
import time

from base import PROGRAMS, RedisLoad, SluiceTest, wait_for
from harness.daemon import CtlError, process_alive


# Programs that serve, wait until they are stopped, or want a tracer.
NEVER_END = ("bulk", "echo-epoll", "endings", "pause-forever", "sluice-frames",
             "sluice-lines", "stepped", "udp-echo")


class Life(SluiceTest):
    """start, exit, stop, kill, crash, rm; and what is left behind."""

    timeout = 600

    def run_to_the_end(self, program):
        """Its log is its output, its exit status the guest's."""
        guest = self.daemon.run(PROGRAMS / program, name=program,
                                options=self.guest_options())
        status = guest.wait_state("exited")
        self.assertEqual(status["exit_status"], 0, guest.logs())
        self.assertIn("\nok 1 ", guest.logs())
        self.assertNotIn("\nnot ok", guest.logs())

    def test_static_programs_run_to_their_end(self):
        """Each small program of tests/guest/programs, musl and glibc."""
        for program in sorted(PROGRAMS.glob("*-musl")) + \
                sorted(PROGRAMS.glob("*-glibc")):
            if not program.name.startswith(NEVER_END):
                self.run_to_the_end(program.name)

    def test_accelerator_is_probed_and_told(self):
        """KVM only on a processor that has it; `run` says what and why."""
        done = self.daemon.try_ctl("run", "--name", "auto",
                                   PROGRAMS / "pause-forever-musl")
        status = self.daemon.json("status", "auto")
        with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
            real = re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo.read(), re.M)
        if real and os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.assertEqual(status["accel"], "kvm")
        else:
            self.assertEqual(status["accel"], "tcg")
            refused = self.daemon.try_ctl("run", "--accel", "kvm", "--name",
                                          "kvm", PROGRAMS / "hello-musl")
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(status["accel_why"], refused.stderr)
        self.assertTrue(status["accel_why"])
        self.assertIn(f"accelerator {status['accel']}: {status['accel_why']}",
                      done.stderr)

    def test_stop_is_sigterm(self):
        """stop lets the program end by itself: redis says good-bye."""
        guest, _ = self.start_redis()
        self.daemon.ctl("stop", guest.name)
        self.assertIn("Redis is now ready to exit", guest.logs())
        self.assertIn(guest.status()["state"], ("exited", "stopped"))

    def test_stop_reaches_a_program_that_only_starts(self):
        """SIGTERM that comes before the program could be told is not lost."""
        for number in range(6):
            guest = self.daemon.run(PROGRAMS / "pause-forever-musl",
                                    name=f"early{number}",
                                    options=self.guest_options())
            if number % 2:
                self.daemon.try_ctl("crash", guest.name)
            self.daemon.ctl("stop", guest.name)
        self.assertNotIn("did not end in time", self.daemon.log.read_text())

    def test_kill_stays_down_and_recovers_on_demand(self):
        guest, _ = self.start_redis()
        pid = guest.qemu_pid()
        self.daemon.ctl("kill", guest.name)
        wait_for(lambda: not process_alive(pid), 10, "QEMU is gone")
        self.assertEqual(guest.status()["state"], "stopped")
        self.daemon.ctl("recover", guest.name)
        guest.wait_state("running")

    def test_crash_recovers(self):
        guest, _ = self.start_redis()
        pid = guest.qemu_pid()
        self.daemon.ctl("crash", guest.name)
        status = guest.wait_recovered(1)
        self.assertNotEqual(status["qemu_pid"], pid)

    def test_damaged_guest_is_left_alone(self):
        """ckptd comes back and cannot read how a guest stood: it shows that,
        leaves its QEMU alone, and takes it up when it is told to."""
        guest, port = self.start_redis()
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        load.wait_acknowledged(100)
        pid = guest.qemu_pid()
        life = self.daemon.state / "guests" / guest.name / "life.conf"
        self.daemon.kill()
        whole = life.read_bytes()
        life.write_bytes(b"rot" + whole)
        self.daemon.start()
        self.assertEqual(guest.status()["state"], "damaged")
        self.assertRegex(self.daemon.ctl("ps"),
                         r"redis +damaged .*life\.conf.*ckptctl recover redis")
        for order in (["recover", "redis"], ["rm", "redis"], ["stop", "redis"],
                      ["run", "--name", "redis", PROGRAMS / "hello-musl"]):
            with self.assertRaisesRegex(CtlError, r"life\.conf"):
                self.daemon.ctl(*order)
        life.write_bytes(whole)
        self.daemon.ctl("recover", guest.name)
        status = guest.wait_state("running")
        self.assertEqual((status["qemu_pid"], status["recoveries"]), (pid, 0))
        load.wait_acknowledged(100)
        load.stop()
        result = self.check_load(load)
        self.assertEqual(result.kept, result.connections)

    def test_checkpoint_is_durable_when_it_returns(self):
        guest, _ = self.start_redis()
        epoch = self.daemon.json("checkpoint", guest.name)["epoch"]
        self.assertGreaterEqual(guest.status()["committed"], epoch)

    def test_without_checkpoints(self):
        """Output passes, nothing is stored, and a death is the end."""
        guest, port = self.start_redis("--no-checkpoint", verify=False)
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        load.wait_acknowledged(200)
        load.stop()
        self.check_load(load)
        status = guest.status()
        self.assertEqual((status["epoch"], status["committed"]), (0, 0))
        self.assertEqual(list(self.daemon.state.rglob("log-*")), [])
        with self.assertRaises(CtlError):
            self.daemon.ctl("checkpoint", guest.name)
        guest.kill_qemu()
        status = guest.wait_state("failed")
        self.assertIn("no checkpoints", status["reason"])
        self.assertEqual(status["recoveries"], 0)

    def test_idle_guest_takes_no_checkpoints(self):
        """A guest with nothing to do has the same epoch two intervals on."""
        guest = self.start_sleeper()
        seen = {"epoch": -1, "since": 0}

        def settled():
            epoch = guest.status()["epoch"]
            if epoch != seen["epoch"]:
                seen.update(epoch=epoch, since=time.monotonic())
            return time.monotonic() - seen["since"] > 5
        wait_for(settled, 60, "no new epoch for 5 s", poll_s=0.2)

    def start_sleeper(self):
        guest = self.daemon.run(PROGRAMS / "pause-forever-musl", name="sleeper",
                                options=self.guest_options())
        guest.wait_log("waiting")
        return guest

    def test_verify_reads_the_whole_store(self):
        guest, _ = self.start_redis()
        self.daemon.ctl("checkpoint", guest.name)
        self.daemon.ctl("kill", guest.name)
        report = self.daemon.json("verify", guest.name)
        self.assertTrue(report["valid"])

    def test_rm_leaves_nothing(self):
        """No process, no file of the guest is left after rm."""
        guest, _ = self.start_redis()
        self.daemon.ctl("kill", guest.name)
        self.daemon.ctl("rm", guest.name)
        left = [path for path in self.daemon.directory.rglob("*redis*")]
        self.assertEqual(left, [])
        processes = subprocess.run(
            ["ps", "-eo", "args"], capture_output=True, text=True,
            check=True).stdout
        self.assertNotIn(str(self.daemon.runtime / "redis"), processes)

    def test_store_is_private(self):
        """Checkpoints hold secrets: nobody but the owner reads them."""
        guest, _ = self.start_redis()
        for path in self.daemon.state.rglob("*"):
            self.assertFalse(os.stat(path).st_mode
                             & (stat.S_IRWXG | stat.S_IRWXO), path)
        self.daemon.ctl("kill", guest.name)

    def test_crash_loop_stops_with_a_report(self):
        """5 recoveries without a durable epoch: failed, and it says so."""
        guest = self.start_sleeper()
        broken = self.daemon.directory / "qemu-that-dies"
        lives = self.daemon.directory / "lives"
        broken.write_text(f"#!/bin/sh\necho >> {lives}\nexit 3\n",
                          encoding="ascii")
        broken.chmod(0o755)
        self.daemon.ctl("kill", guest.name)
        self.daemon.process.terminate()
        self.daemon.process.wait(20)
        self.daemon.environment["SLUICE_QEMU"] = str(broken)
        self.daemon.start()
        self.daemon.try_ctl("recover", guest.name)
        status = guest.wait_state("failed")
        self.assertIn("5 recoveries in a row", status["reason"])
        self.assertEqual(len(lives.read_text(encoding="ascii")), 1 + 5)
        self.daemon.environment.pop("SLUICE_QEMU")

    def test_no_number_is_negative(self):
        """`-m -5` is not "as if nothing had been said"."""
        for words in (("run", "-m", "-5"), ("run", "-m", "-1"),
                      ("run", "--hold", "-1"), ("run", "--max-interval", "-9"),
                      ("adopt", "-m", "-1"), ("stop", "-t", "-1", "x")):
            refused = self.daemon.try_ctl(
                *words, *([PROGRAMS / "hello-musl"] if "run" in words else []))
            self.assertEqual(refused.returncode, 2, words)
            self.assertIn("is negative", refused.stderr, words)
        self.assertEqual(self.daemon.json("ps"), [])

    def test_clear_errors(self):
        """Mistakes are refused with a reason, and leave no guest behind."""
        for words in (("status", "nobody"), ("run", "/no/such/program"),
                      ("run", "-p", "70000:1", "/bin/true"),
                      ("run", "--memory", "1", PROGRAMS / "hello-musl")):
            with self.assertRaises(CtlError) as caught:
                self.daemon.ctl(*words)
            self.assertGreater(len(caught.exception.text), 10)
        self.assertEqual(self.daemon.json("ps"), [])
