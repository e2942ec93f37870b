# SPDX-License-Identifier: GPL-2.0-or-later
"""A ckptd of one's own, in directories of its own, and ckptctl to talk to it."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import qmp
from .waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
PROGRAMS = BUILD / "guest-programs"
# Without any persistence of its own.
REDIS = (PROGRAMS / "redis-server", "--save", "", "--appendonly", "no",
         "--protected-mode", "no")
SANITIZER = re.compile(r"^.*(?:Sanitizer|runtime error): (?s:.*)", re.MULTILINE)


class CtlError(Exception):
    """ckptctl said no; str() is what it said."""

    def __init__(self, arguments, status, text):
        super().__init__(f"ckptctl {' '.join(arguments)}: {text.strip()}")
        self.status, self.text = status, text


def free_port(kind=socket.SOCK_STREAM):
    """A port of the loopback that nobody has now: of TCP, or of UDP."""
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def process_state(pid):
    """R, S, T, … of /proc, "" for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def process_alive(pid):
    """Whether pid runs (a zombie does not)."""
    return process_state(pid) not in ("", "Z", "X")


class Daemon:
    """ckptd with its own state, runtime directory, log and trace.

    Everything lies in one directory, @directory, so that a failed test can
    keep it whole; close() leaves no process behind.  With @host (of hosts.py)
    it runs there, with @user as that ordinary user.
    """

    def __init__(self, directory=None, build=BUILD, host=None, user=None):
        self.build = pathlib.Path(build)
        self.host, self.user = host, user
        self.own_directory = directory is None
        self.directory = pathlib.Path(
            directory or tempfile.mkdtemp(prefix="sluice-"))
        self.state = self.directory / "state"
        self.runtime = self.directory / "run"
        self.trace = self.directory / "trace"
        self.log = self.directory / "ckptd.log"
        self.environment = dict(
            os.environ,
            SLUICE_STATE_DIR=str(self.state),
            SLUICE_RUNTIME_DIR=str(self.runtime))
        self.process = None
        self.by_hand = []       # guests of by_hand.py: closed with us
        if user:
            shutil.chown(self.directory, user)

    def start(self):
        """Start ckptd in the foreground of this object and wait for it."""
        self.state.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(self.state, self.user)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._command("ckptd", "--foreground", "--trace", self.trace),
                env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        wait_for(self._answers, 20, "ckptd answers")

    def _command(self, program, *arguments):
        argv = [str(self.build / "ckptd" / program), *map(str, arguments)]
        if self.user:
            group = pwd.getpwnam(self.user).pw_gid
            argv = ["setpriv", f"--reuid={self.user}", f"--regid={group}",
                    "--clear-groups", "--", *argv]
        return self.host.command(argv) if self.host else argv

    def _answers(self):
        if self.process.poll() is not None:
            raise CtlError(["ckptd"], self.process.returncode,
                           self.log.read_text(errors="replace")[-2000:])
        return self.try_ctl("ps").returncode == 0

    def kill(self):
        """SIGKILL to ckptd alone; its guests run on."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def try_ctl(self, *arguments, timeout_s=120, **keywords):
        return subprocess.run(
            self._command("ckptctl", "--no-autostart", *arguments),
            env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout_s, check=False,
            **keywords)

    def begin_ctl(self, *arguments):
        """ckptctl as a process that goes on; subprocess.Popen."""
        return subprocess.Popen(
            self._command("ckptctl", "--no-autostart", *arguments),
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ctl(self, *arguments, timeout_s=120):
        """Standard output of ckptctl; CtlError when it fails."""
        done = self.try_ctl(*arguments, timeout_s=timeout_s)
        if done.returncode:
            raise CtlError([str(a) for a in arguments], done.returncode,
                           done.stderr + done.stdout)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments))

    def run(self, program, *arguments, name="guest", ports=(), options=()):
        """Start a guest; ports are (host, guest) pairs."""
        forwards = []
        for host, guest in ports:
            forwards += ["-p", f"{host}:{guest}"]
        self.ctl("run", "--name", name, *forwards, *options, program,
                 *arguments)
        return Guest(self, name)

    def close(self, keep=False):
        """End every guest and the daemon; remove the directory unless @keep."""
        try:
            if self.process:
                self._end_guests()
        finally:
            for guest in self.by_hand:
                guest.close()
            if self.process and self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.process = None
        reports = self._sanitizer_reports()
        self.own_directory = self.own_directory and not keep
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not reports, "\n".join(reports)

    def _sanitizer_reports(self):
        """What a sanitized build has found fault with: a leak at the end of a
        process makes nothing else fail."""
        found = (SANITIZER.search(path.read_text(encoding="utf-8",
                                                 errors="replace"))
                 for path in self.directory.rglob("*.log"))
        return [report.group() for report in found if report]

    def _end_guests(self):
        if self.process.poll() is not None:
            self.start()
        for row in self.json("ps"):
            self.try_ctl("kill", row["name"])


class Guest:
    """One guest of a Daemon."""

    def __init__(self, daemon, name):
        self.daemon, self.name = daemon, name
        self.last_pid = 0

    def status(self):
        status = self.daemon.json("status", self.name)
        self.last_pid = status.get("qemu_pid") or self.last_pid
        return status

    def wait_status(self, condition, timeout_s, what):
        """The first status for which condition(status) holds."""
        def check():
            status = self.status()
            return status if condition(status) else None
        return wait_for(check, timeout_s, f"{self.name}: {what}")

    def wait_state(self, state, timeout_s=60):
        return self.wait_status(lambda s: s["state"] == state, timeout_s,
                                f"state {state}")

    def qemu_pid(self):
        return self.status()["qemu_pid"]

    def kill_qemu(self, load=None):
        """SIGKILL to the QEMU of this guest, told to @load.  Return: its pid."""
        pid = self.wait_status(
            lambda s: s["state"] == "running" and s["qemu_pid"] > 0, 60,
            "running")["qemu_pid"]
        fault = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if load:
            load.mark(fault)
        return pid

    def qmp(self, command, **arguments):
        """A command to QEMU's monitor."""
        return qmp.command(self.qmp_socket(), command, **arguments)

    def qmp_socket(self):
        return self.daemon.runtime / "guests" / self.name / "qmp.sock"

    @contextlib.contextmanager
    def two_in_flight(self):
        """Inside, two epochs are captured and neither is durable: ckptd has
        been stopped, and goes on at the end if it is still alive."""
        self.wait_state("running")
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: self.qmp("query-ckpt")["in-flight"] == 2, 60,
                     "two epochs in flight")
            yield
        finally:
            if self.daemon.process.poll() is None:
                self.daemon.process.send_signal(signal.SIGCONT)

    def kill_qemu_now(self):
        """As kill_qemu(), of the pid seen last: ckptd need not answer."""
        os.kill(self.last_pid, signal.SIGKILL)

    def come_back(self):
        """Start a QEMU that was killed again: ckptd does."""

    def wait_recovered(self, recoveries, timeout_s=60):
        """Until it has recovered @recoveries times and runs."""
        return self.wait_status(
            lambda s: s["recoveries"] >= recoveries
            and s["state"] == "running", timeout_s,
            f"{recoveries} recoveries")

    def logs(self):
        return self.daemon.ctl("logs", self.name)

    def wait_log(self, text, timeout_s=60):
        return wait_for(lambda: text in self.logs(), timeout_s,
                        f"{self.name} logs {text!r}")
