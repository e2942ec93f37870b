# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain qemu-system-x86_64 command line: it boots, and later it recovers."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess

from base import PROGRAMS, REDIS, RedisLoad, SluiceTest, free_port, wait_for
from harness import numbered, pcap, qmp
from harness.by_hand import ByHand
from harness.daemon import BUILD, ROOT, Guest

SIGNALLED = 0x100       # abi/ckpt-nic.h


class ByHandTest(SluiceTest):
    """What all of them start from."""

    def start_redis_by_hand(self, *adopt, name="redis"):
        port = free_port()
        guest = ByHand(self.daemon, *REDIS, name=name, ports=[(port, 6379)],
                       adopt=("--verify", *adopt)).start()
        guest.wait_log("Ready to accept connections", 120)
        return guest, port

    def sleeper(self, name="sleeper", **keywords):
        return ByHand(self.daemon, PROGRAMS / "pause-forever-musl", name=name,
                      net=None, **keywords)


class OneCommandLine(ByHandTest):
    """The same words every time, whatever there was before."""

    def test_boots_first_and_recovers_later(self):
        """Redis under load, QEMU killed and started again: all connections
        are kept, nothing is lost, nothing doubled."""
        guest, port = self.start_redis_by_hand()
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        for _ in range(3):
            load.wait_acknowledged(200)
            guest.crash_and_start(load)
            self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)
        self.log.info("recovered in %s ms",
                      [round(ms) for ms in load.result.recovery_ms])


    def test_both_killed(self):
        """QEMU and ckptd die; when both are started again all connections go
        on."""
        guest, port = self.start_redis_by_hand()
        load = RedisLoad(port, seed=self.seed, connections=4)
        load.start(3600)
        load.wait_acknowledged(200)
        guest.wait_state("running")
        self.daemon.kill()
        guest.kill_qemu_now()
        guest.process.wait(20)
        self.daemon.start()
        guest.start()
        load.mark()
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    def refused(self, guest, *more):
        """Another start of the line, which QEMU ends with.  Return: why."""
        before = len(guest.errors())
        self.assertEqual(guest.popen(more).wait(60), 1)
        return guest.errors()[before:]

    def test_second_qemu_is_refused(self):
        """While one runs, the same line ends with the reason (F1)."""
        guest = self.sleeper().start()
        self.assertIn(f"in process {guest.process.pid} already",
                      self.refused(guest))
        self.assertEqual(guest.status()["qemu_pid"], guest.process.pid)

    def test_another_machine_is_refused(self):
        """What a checkpoint was not made by cannot go on from it; that is no
        fault of the guest, and the right line still does."""
        guest = self.sleeper().start()
        guest.wait_log("waiting")
        guest.kill_qemu()
        guest.wait_state("waiting")
        self.assertIn("bytes of RAM", self.refused(guest, "-m", "96"))
        self.assertIn("CPU", self.refused(guest, "-cpu", "qemu64"))
        guest.wait_state("waiting")
        guest.start()
        self.assertEqual(guest.status()["recoveries"], 1)

    def test_crash_loop_is_refused(self):
        """5 crashes in a row without a new checkpoint: no QEMU is let in until
        somebody says `recover`."""
        guest = self.sleeper().start()
        guest.wait_log("waiting")
        self.daemon.ctl("checkpoint", guest.name)
        guest.kill_qemu()
        for _ in range(5):
            guest.wait_state("waiting")
            guest.process = guest.popen(["-S"])
            guest.kill_qemu()
        self.assertIn("5 recoveries in a row",
                      guest.wait_state("failed")["reason"])
        self.assertIn("`ckptctl recover sleeper`", self.refused(guest))
        self.daemon.try_ctl("recover", guest.name)
        guest.start()


class Frames(ByHandTest):
    """What the monitor's verbs mean for frames in flight: sluice-frames in the
    guest, a capture in ckpt-netd."""

    def start_frames(self):
        self.guest = ByHand(self.daemon, PROGRAMS / "sluice-frames-musl",
                            name="frames", ports=[]).start()
        self.wait_more(200)
        return self.guest

    def frames(self):
        """[(time_ns, number, epoch, generation)], as they left."""
        return numbered.numbered(pcap.frames(self.guest.netd.capture))

    def wait_more(self, count):
        target = len(self.frames()) + count
        wait_for(lambda: len(self.frames()) >= target, 60,
                 f"{count} more frames", poll_s=0.1)

    def lives(self):
        """The frames of each boot of the program, checked: in order, none
        missing, none early; at most one doubled for each kill."""
        frames = self.frames()
        numbered.check_not_early(frames, self.daemon.trace)
        starts = [i for i, frame in enumerate(frames)
                  if frame[1] == 0 and (not i or frames[i - 1][1] > 1)]
        lives = [frames[start:end] for start, end
                 in zip(starts, starts[1:] + [len(frames)])]
        for life in lives:
            numbered.check_order(life, allow_doubled=self.kills)
        return lives

    kills = 0

    def kill_and_start(self):
        self.kills += 1
        self.guest.crash_and_start()

    def reset(self):
        """system_reset with two epochs in flight.  Return: the epoch being
        executed then."""
        with self.guest.two_in_flight():
            lives = len(self.lives())
            epoch = self.guest.qmp("query-ckpt")["epoch"]
            self.guest.qmp("system_reset")
        wait_for(lambda: len(self.lives()) > lives, 60, "frame 0 again")
        self.wait_more(200)
        return epoch

    def check_resets(self, epochs):
        """Each reset was a new life, in epochs that go on counting; what had
        been held left (a frame may be of the epoch behind that it names)."""
        lives = self.lives()
        self.assertEqual(len(lives), len(epochs) + 1)
        for number, epoch in enumerate(epochs):
            self.assertGreaterEqual(lives[number][-1][2], epoch - 2)
            self.assertGreaterEqual(lives[number + 1][0][2], epoch)

    def test_reset_boots_anew(self):
        """Before a recovery and after one, and one after the other: the
        program starts from its beginning, what it had said leaves, and a kill
        goes on from there."""
        guest = self.start_frames()
        epochs = [self.reset(), self.reset()]
        self.kill_and_start()
        self.wait_more(200)
        epochs += [self.reset(), self.reset()]
        self.kill_and_start()
        self.wait_more(200)
        self.check_resets(epochs)
        self.assertEqual(guest.status()["recoveries"], 2)

    def test_reset_and_kill(self):
        """A kill right behind a reset: the guest goes on before it or behind
        it, and nothing that was said is missing."""
        guest = self.start_frames()
        for _ in range(3):
            guest.qmp("system_reset")
            self.kill_and_start()
            self.wait_more(200)
        self.assertLessEqual(len(self.lives()), 4)

    def test_quit_and_start(self):
        """quit with two epochs in flight: both become durable, the next QEMU
        goes on from there, and it was no crash."""
        guest = self.start_frames()
        with guest.two_in_flight():
            captured = guest.qmp("query-ckpt")["epoch"] - 1
            guest.qmp("quit")
            self.assertEqual(guest.wait_exit(), 0)
        status = guest.wait_state("waiting")
        self.assertEqual(status["committed"], captured)
        self.assertIn("good order", status["reason"])
        guest.start()
        self.wait_more(500)
        self.assertEqual(len(self.lives()), 1)
        self.assertEqual(guest.status()["recoveries"], 0)

    def left(self, epoch):
        """Until frames of @epoch or later have left; then the epochs of these
        (a frame may be of the epoch behind that it names)."""
        return wait_for(lambda: {e for _, _, e, _ in self.frames()
                                 if e >= epoch}, 60,
                        f"frames of epoch {epoch}", poll_s=0.1)

    def test_stop_holds_and_releases(self):
        """stop with two epochs in flight: they become durable and what is of
        them leaves; there is no further one until it is asked for, and what
        the guest had said since waits; cont goes on."""
        guest = self.start_frames()
        with guest.two_in_flight():
            guest.qmp("stop")
            epoch = guest.qmp("query-ckpt")["epoch"]
        wait_for(lambda: guest.qmp("query-ckpt")["committed"] == epoch - 1, 60,
                 "what was captured is durable")
        self.assertLess(max(self.left(epoch - 2)), epoch)
        with qmp.Monitor(guest.qmp_socket()) as monitor:
            self.assertEqual(monitor.command("ckpt-commit"), {"epoch": epoch})
            self.assertEqual(monitor.wait("CKPT_COMMITTED"), {"epoch": epoch})
        wait_for(lambda: guest.qmp("query-ckpt")["held-bytes"] == 0, 60,
                 "all of it has left, as fast as the netdev takes it")
        info = guest.qmp("query-ckpt")
        self.assertEqual((info["epoch"], info["committed"]),
                         (epoch + 1, epoch))
        guest.qmp("cont")
        self.wait_more(500)
        self.assertEqual(len(self.lives()), 1)

    def test_kill_while_stopped(self):
        """A guest that was stopped, and whose QEMU is killed, goes on."""
        guest = self.start_frames()
        for _ in range(3):
            with guest.two_in_flight():
                guest.qmp("stop")
            self.kill_and_start()
            self.wait_more(200)
        self.assertEqual(len(self.lives()), 1)

    def test_powerdown_is_sigterm(self):
        """system_powerdown with two epochs in flight: the program ends by
        SIGTERM behind all that it had said; the next start boots anew."""
        guest = self.start_frames()
        with guest.two_in_flight():
            epoch = guest.qmp("query-ckpt")["epoch"]
            guest.qmp("system_powerdown")
        self.assertEqual(guest.wait_exit(), 0)
        status = guest.wait_state("waiting")
        self.assertEqual(status["exit_status"], SIGNALLED | signal.SIGTERM)
        self.assertGreaterEqual(self.frames()[-1][2], epoch - 2)
        self.assertEqual(len(self.lives()), 1)
        guest.start()
        self.wait_more(200)
        self.assertEqual(len(self.lives()), 2)
        self.assertEqual(guest.status()["recoveries"], 0)


class Clients(ByHandTest):
    """What the monitor's verbs mean for those who are connected."""

    def ask(self, client, words):
        client.sendall(words + b"\r\n")
        return client.recv(100)

    def test_reset_ends_connections(self):
        """As with any machine: who was connected is told so by the one that
        boots, which has forgotten everything, and serves."""
        guest, port = self.start_redis_by_hand()
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            self.assertEqual(self.ask(client, b"SET key value"), b"+OK\r\n")
            guest.qmp("system_reset")
            wait_for(lambda: guest.logs().count("Ready to accept") == 2, 60,
                     "redis starts again")
            try:
                self.assertEqual(self.ask(client, b"GET key"), b"")
            except ConnectionError:
                pass
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            self.assertEqual(self.ask(client, b"GET key"), b"$-1\r\n")
            guest.crash_and_start()
            self.assertEqual(self.ask(client, b"SET key other"), b"+OK\r\n")

    def test_quit_and_stop_keep_connections(self):
        """quit and start, stop and cont, stop and kill and start, under load:
        all connections are kept, nothing is lost, nothing doubled."""
        guest, port = self.start_redis_by_hand()
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        load.wait_acknowledged(200)
        guest.qmp("quit")
        self.assertEqual(guest.wait_exit(), 0)
        guest.start()
        load.wait_acknowledged(200)
        guest.qmp("stop")
        guest.qmp("cont")
        load.wait_acknowledged(200)
        guest.qmp("stop")
        guest.crash_and_start(load)
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.status()["recoveries"], 1)

    def test_powerdown_lets_the_program_end(self):
        """Redis says good-bye; its status is the guest's."""
        guest, _ = self.start_redis_by_hand()
        guest.qmp("system_powerdown")
        self.assertEqual(guest.wait_exit(), 0)
        self.assertIn("Redis is now ready to exit", guest.logs())
        status = guest.wait_state("waiting")
        self.assertEqual(status["exit_status"], 0)


class RunVm(ByHandTest):
    """scripts/run-vm: puts the command line together, shows it, runs it."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.addCleanup(self.end_netd)

    def end_netd(self):
        for pid in self.daemon.runtime.glob("run-vm/*/netd.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text(encoding="ascii")), signal.SIGTERM)

    def run_vm(self, *words, check=True):
        return subprocess.run(
            [ROOT / "scripts/run-vm", *map(str, words)], check=check,
            env=dict(self.daemon.environment, SLUICE_BUILD=str(BUILD)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120)

    def start_redis(self, *words):
        return self.run_vm("--daemonize", "--verify", "--name", "redis",
                           "--memory", 64, "-p", f"{self.port}:6379", *words,
                           *REDIS).stdout

    def test_boots_and_goes_on(self):
        """The line is the same each time; connections are kept over kills."""
        shown = self.start_redis()
        guest = Guest(self.daemon, "redis")
        guest.wait_log("Ready to accept connections", 120)
        load = RedisLoad(self.port, seed=self.seed, connections=4)
        load.start(3600)
        for number in range(1, 3):
            load.wait_acknowledged(200)
            guest.kill_qemu(load)
            self.assertEqual(self.start_redis(), shown)
            self.assertTrue(load.wait_recovered(60))
            guest.wait_recovered(number)
        load.stop()
        self.check_load(load)

    def test_what_is_shown_is_what_runs(self):
        """The line that is printed, pasted into a shell, starts the guest."""
        words = ("--name", "shown", "--net", "none", "--dry-run")
        line = self.run_vm(*words, PROGRAMS / "pause-forever-musl",
                           "two words", "it's").stdout
        self.assertEqual(self.daemon.json("status", "shown")["state"],
                         "waiting")
        with subprocess.Popen(["sh", "-c", f"exec {line}"],
                              stdin=subprocess.DEVNULL) as qemu:
            guest = Guest(self.daemon, "shown")
            guest.wait_state("running")
            self.assertEqual(guest.qemu_pid(), qemu.pid)
            guest.wait_log("waiting")
            self.daemon.ctl("stop", "shown")
            self.assertEqual(qemu.wait(60), 0)

    def test_netd_is_one_for_the_same_ports(self):
        """A second start finds the first one's ckpt-netd; other ports get
        another."""
        def netd():
            return (self.daemon.runtime / "run-vm/redis/netd.pid").read_text(
                encoding="ascii")
        self.start_redis()
        first = netd()
        self.daemon.ctl("kill", "redis")
        self.start_redis()
        self.assertEqual(netd(), first)
        self.daemon.ctl("kill", "redis")
        self.start_redis("-p", f"{free_port()}:6380")
        self.assertNotEqual(netd(), first)

    def test_without_ckptd(self):
        """--no-ckptd: said in the log, which is QEMU's; its status is the
        program's."""
        done = self.run_vm("--no-ckptd", "--net", "none",
                           PROGRAMS / "hello-musl")
        self.assertIn("no checkpoints are taken", done.stderr)
        self.assertIn("\nok 1 ", done.stderr)
        self.assertEqual(self.daemon.json("ps"), [])

    def test_help_and_clear_errors(self):
        """Each option of the help is taken; mistakes say what is wrong."""
        text = self.run_vm("--help").stdout
        page = (ROOT / "docs/man/run-vm.1").read_text(encoding="utf-8")
        options = set(re.findall(r"--[a-z-]+", text))
        self.assertGreater(len(options), 8)
        for option in options:
            self.assertIn(option.replace("-", "\\-"), page)
        for words, reason in (((), "no program"),
                              (("--nonsense", "x"), "unknown option"),
                              (("--net", "wifi", "/bin/true"), "--net is"),
                              (("--accel", "xen", "/bin/true"), "--accel is"),
                              (("-p", "80", "/bin/true"), "--publish is"),
                              (("--net", "none", "-p", "1:2", "/bin/true"),
                               "--net user only"),
                              (("--name", "a/b", "/bin/true"), "a name is")):
            done = self.run_vm(*words, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(reason, done.stderr)
        self.assertEqual(self.daemon.json("ps"), [])


class Monitor(ByHandTest):
    """What the monitors say, and what the help explains."""

    def test_without_ckptd(self):
        """No engine: it says so, output passes, SIGTERM ends the program and
        QEMU ends with its status."""
        guest = self.sleeper(engine=False).start(wait=False)
        wait_for(lambda: "waiting" in guest.errors(), 60, "the program runs")
        self.assertIn("no checkpoints are taken", guest.errors())
        with self.assertRaises(RuntimeError):
            guest.qmp("ckpt-commit")
        guest.qmp("system_powerdown")
        self.assertEqual(guest.wait_exit(), 128 + signal.SIGTERM)

    @staticmethod
    def huge_pages(guest):
        """Whether the kernel would give them to this QEMU: 0 or 1."""
        status = pathlib.Path(f"/proc/{guest.status()['qemu_pid']}/status")
        return int(re.search(r"^THP_enabled:\s*(\d)", status.read_text("utf-8"),
                             re.MULTILINE).group(1))

    def test_checkpoints_off(self):
        """ckptd gets the log, and QEMU's says that nothing is protected; its
        memory may be huge pages."""
        guest = self.sleeper(adopt=("--checkpoint", "off")).start()
        guest.wait_log("waiting")
        self.assertIn("no checkpoints are taken", guest.errors())
        self.assertEqual(self.huge_pages(guest), 1)

    def test_tracked_memory_is_small_pages(self):
        """A write to new memory never has to clear more than a page."""
        guest = self.sleeper().start()
        guest.wait_log("waiting")
        self.assertEqual(self.huge_pages(guest), 0)

    def test_info_ckpt(self):
        """The human monitor shows what query-ckpt does."""
        guest = self.sleeper().start()
        guest.wait_log("waiting")
        epoch = guest.qmp("ckpt-commit")["epoch"]
        wait_for(lambda: guest.qmp("query-ckpt")["committed"] >= epoch, 60,
                 "the commit")
        guest.qmp("stop")
        info = guest.qmp("query-ckpt")
        shown = guest.qmp("human-monitor-command",
                          **{"command-line": "info ckpt"})
        for words in (f"state: {info['state']}, ckptd connected",
                      f"epoch: {info['epoch']}, committed {info['committed']}",
                      f"generation {info['generation']}",
                      f"last checkpoint: {info['last-pages']} pages"):
            self.assertIn(words, shown)

    def test_connection_events(self):
        """The monitor is told when ckptd goes away and when it is back."""
        guest = self.sleeper().start()
        with qmp.Monitor(guest.qmp_socket()) as monitor:
            self.daemon.kill()
            self.assertEqual(monitor.wait("CKPT_CONNECTION"),
                             {"connected": False})
            self.daemon.start()
            self.assertEqual(monitor.wait("CKPT_CONNECTION"),
                             {"connected": True})

    def test_help_explains_every_property(self):
        """QEMU's help and docs/by-hand.md have each property of device and
        object."""
        page = (ROOT / "docs/by-hand.md").read_text(encoding="utf-8")
        for option, name in (("-device", "ckpt-nic"),
                             ("-object", "ckpt-engine")):
            done = subprocess.run(
                [BUILD / "qemu/qemu-system-x86_64", "-M", "none", option,
                 f"{name},help"], capture_output=True, text=True, timeout=60,
                check=True)
            lines = [line for line in done.stdout.splitlines() if "=<" in line]
            self.assertGreater(len(lines), 3)
            for line in lines:
                self.assertRegex(line, r"=<\w+> +- \S")
                self.assertIn(f"`{line.split('=')[0].strip()}`", page)
