# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose QEMU is started by a plain command line, not by ckptd.

ByHand is to a test what daemon.Guest is: the same questions may be asked of it.
start() starts the one command line that boots the first time and goes on from
the last checkpoint ever after; who kills QEMU has to start it again.
"""

import shlex
import signal
import subprocess

from .daemon import BUILD, PROGRAMS, Guest
from .waiting import wait_for

MACHINE = ("microvm,acpi=off,pit=off,pic=off,rtc=off,pcie=off,usb=off,"
           "ioapic2=off,isa-serial=off,x-option-roms=off,"
           "auto-kernel-cmdline=off")
USER_NET = "10.0.2.15/24,gateway=10.0.2.2,dns=10.0.2.3"


class Netd:
    """ckpt-netd for a QEMU that connects by itself, run as @command says."""

    def __init__(self, directory, forwards=(), more=(),
                 command=(BUILD / "ckptd/ckpt-netd",)):
        self.socket = directory / "net.sock"
        self.capture = directory / "capture.pcap"
        words = ["--capture", self.capture, *more]
        for host, guest in forwards:
            words += ["--forward", f"tcp:127.0.0.1:{host}:{guest}"]
        with open(directory / "netd.log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--listen", self.socket, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.socket.exists, 20, "ckpt-netd listens")

    def close(self):
        self.process.terminate()
        self.process.wait(20)


def make_bundle(path, program, *arguments, net=USER_NET):
    """What the guest boots with."""
    subprocess.run([BUILD / "ckptd/ckpt-bundle", "-o", path,
                    *(["--net", net] if net else []), "--", program,
                    *arguments], check=True, capture_output=True)


class ByHand(Guest):
    """@ports: (host, guest) pairs of a user-mode network by ckpt-netd, or
    None; @adopt: more words for `ckptctl adopt`; @netdev: a whole -netdev, whose
    id is n0, or None; @engine=False: no ckptd is told of it.  Everything lies
    in a directory of the daemon's own."""

    def __init__(self, daemon, program, *arguments, name="guest", ports=None,
                 adopt=("--verify",), netdev=None, net=USER_NET, accel="tcg",
                 memory_mib=64, engine=True):
        super().__init__(daemon, name)
        self.directory = daemon.directory / f"by-hand-{name}"
        self.directory.mkdir()
        self.log_path = self.directory / "qemu.log"
        self.bundle = self.directory / "bundle"
        make_bundle(self.bundle, program, *arguments, net=net)
        self.process = self.netd = None
        daemon.by_hand.append(self)     # closed even if the rest fails
        if ports is not None:
            self.netd = Netd(self.directory, ports)
            netdev = (f"stream,id=n0,server=off,addr.type=unix,"
                      f"addr.path={self.netd.socket}")
        self.netdev = netdev
        self.accel = accel
        if engine:
            self.options = shlex.split(daemon.ctl(
                "adopt", "--name", name, "--memory", memory_mib, *adopt,
                *(["--netdev", "n0"] if netdev else [])))
        else:
            self.options = ["-m", str(memory_mib), "-device",
                            f"ckpt-nic{',netdev=n0' if netdev else ''}"]

    def command_line(self):
        """The same one every time."""
        return [BUILD / "qemu/qemu-system-x86_64", "-nodefaults",
                "-no-user-config", "-display", "none", "-M", MACHINE,
                "-accel", self.accel, "-cpu",
                "host" if self.accel == "kvm" else "max",
                "-global", "apic-common.vapic=off",
                "-bios", "/usr/share/qemu/qboot.rom",
                "-kernel", BUILD / "guest-kernel/sluice-kernel.elf",
                "-initrd", self.bundle,
                "-qmp", f"unix:{self.qmp_socket()},server=on,wait=off",
                *(["-netdev", self.netdev] if self.netdev else []),
                *self.options]

    def qmp_socket(self):
        return self.directory / "qmp.sock"

    def popen(self, more=(), **keywords):
        """Start the command line; the caller's process."""
        host = self.daemon.host
        with open(self.log_path, "ab") as log:
            argv = [*map(str, self.command_line()), *more]
            return subprocess.Popen(
                host.command(argv) if host else argv,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **keywords)

    def start(self, wait=True):
        """Start QEMU; until ckptd says that it runs."""
        self.process = self.popen()
        if wait:
            self.wait_status(lambda s: s["state"] == "running"
                             and s["qemu_pid"] == self.process.pid, 60,
                             "runs by hand")
        return self

    def errors(self):
        """What QEMU has said, in all its lives."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def kill_qemu(self, load=None):
        """As Guest.kill_qemu(); start() is to follow."""
        pid = super().kill_qemu(load)
        self.process.wait(20)
        return pid

    def wait_exit(self, timeout_s=60):
        """Until QEMU has ended by itself.  Return: its status."""
        return self.process.wait(timeout_s)

    def crash_and_start(self, load=None):
        """SIGKILL, then the same command line again."""
        recoveries = self.status()["recoveries"]
        self.kill_qemu(load)
        self.start()
        return self.wait_recovered(recoveries + 1)

    def close(self):
        """Leave no process behind; the daemon calls it."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)
        if self.netd:
            self.netd.close()


__all__ = ["ByHand", "Netd", "PROGRAMS", "make_bundle"]
