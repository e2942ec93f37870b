# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts with a kernel and a systemd of their own, on an Ethernet of hosts.py.

Each is a Debian in a QEMU (tests/platform/virthost) whose network card is a
port of the Network's bridge; so hosts that are namespaces are its neighbours.
Orders go in by qemu-guest-agent, which needs no network.  The disk outlives
power_off(), not close().
"""

import base64
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

from . import qmp
from .daemon import ROOT, CtlError, Guest
from .waiting import wait_for

VIRTHOST = ROOT / "tests/platform/virthost"
BOOT_S = 240


def tsc_khz():
    """Of this machine, about; where its clock changes, so does this."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")
    return int(float(re.search(r"^cpu MHz\s*: (\S+)", cpuinfo,
                               re.MULTILINE)[1]) * 1000)


TSC_KHZ = tsc_khz()         # the same in all hosts


class Agent:
    """The qemu-guest-agent behind the socket @path."""

    def __init__(self, path):
        self.path = path
        self.stream = self.sock = None

    def connect(self):
        """Return: whether it answers.  What it had to say to somebody else, or
        its terminal before it was there, is passed over."""
        self.close()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(3)
        try:
            self.sock.connect(str(self.path))
            self.stream = self.sock.makefile("rw", encoding="utf-8")
            number = int.from_bytes(os.urandom(4), "little")
            self.sock.sendall(b"\xff")      # ends what it takes for JSON
            self._send("guest-sync", {"id": number})
            while self._read().get("return") != number:
                pass
        except (OSError, ValueError):
            return False
        self.sock.settimeout(30)
        return True

    def _send(self, command, arguments):
        self.stream.write(json.dumps(
            {"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()

    def _read(self):
        return json.loads(self.stream.readline() or "{}")

    def call(self, command, **arguments):
        """One command; what it returned."""
        self._send(command, arguments)
        answer = self._read()
        if "return" not in answer:
            raise RuntimeError(f"{command}: {answer}")
        return answer["return"]

    def run(self, argv, timeout_s, environment=()):
        """A program inside, to its end: subprocess.CompletedProcess."""
        argv = [str(word) for word in argv]
        pid = self.call("guest-exec", path=argv[0], arg=argv[1:],
                        env=[f"{k}={v}" for k, v in dict(environment).items()],
                        **{"capture-output": True})["pid"]

        def ended():
            status = self.call("guest-exec-status", pid=pid)
            return status if status["exited"] else None
        status = wait_for(ended, timeout_s, " ".join(argv), poll_s=0.1)
        out, err = (base64.b64decode(status.get(key, "")).decode(
            errors="replace") for key in ("out-data", "err-data"))
        return subprocess.CompletedProcess(
            argv, status.get("exitcode", -status.get("signal", 0)), out, err)

    def close(self):
        """Hang up."""
        if self.stream:
            self.stream.close()
        if self.sock:
            self.sock.close()
        self.stream = self.sock = None


class VirtualHost:
    """@name at @address ("10.77.0.2/24") on @network, by its bridge br0; of
    what is in the directory @tree its root file system has a copy."""

    def __init__(self, network, name, address, directory, tree, qemu):
        self.network, self.name = network, name
        self.address = address
        self.ip = address.partition("/")[0]
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.tree = self._disk(tree)
        self.qemu, self.process = qemu, None
        self.agent = Agent(self.directory / "agent.sock")
        network.namespace.ip("tuntap", "add", "dev", name, "mode", "tap")
        network.namespace.ip("link", "set", name, "master", "br0", "up")
        network.hosts.append(self)

    def _disk(self, tree):
        """The network's configuration and @tree as a disk."""
        root = self.directory / "tree"
        shutil.copytree(tree, root, symlinks=True)
        units = root / "etc/systemd/network"
        units.mkdir(parents=True)
        (units / "br0.netdev").write_text(
            "[NetDev]\nName=br0\nKind=bridge\n"
            "[Bridge]\nSTP=no\nForwardDelaySec=0\n", encoding="ascii")
        (units / "br0.network").write_text(
            "[Match]\nName=br0\n[Network]\nLinkLocalAddressing=no\n"
            f"Address={self.address}\n", encoding="ascii")
        (units / "eth0.network").write_text(
            "[Match]\nName=eth0\n[Network]\nBridge=br0\n", encoding="ascii")
        modules = root / "etc/modules-load.d"
        modules.mkdir()
        (modules / "kvm.conf").write_text("kvm-amd\n", encoding="ascii")
        (root / "etc/hostname").write_text(f"{self.name}\n", encoding="ascii")
        disk = self.directory / "tree.img"
        with open(disk, "wb") as file:
            file.truncate(512 << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk],
                       check=True)
        shutil.rmtree(root)
        return disk

    # Power -------------------------------------------------------------------

    def power_on(self):
        """Begin to boot, for the first time."""
        octet = self.ip.rpartition(".")[2]
        channels = [
            "-chardev", f"socket,id=a,path={self.agent.path},server=on,wait=off",
            "-serial", "chardev:a",
            "-qmp", f"unix:{self.directory}/qmp.sock,server=on,wait=off",
            "-netdev", f"tap,id=n,ifname={self.name},script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=n,romfile=,"
                       f"mac=52:54:00:77:00:{octet:0>2}",
            "-drive", f"file={self.tree},if=virtio,format=raw,readonly=on"]
        with open(self.directory / "console.log", "ab") as log:
            self.process = self.network.namespace.popen(
                [VIRTHOST, "boot", *channels], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
                env=dict(os.environ, VIRTHOST_QEMU=str(self.qemu),
                         VIRTHOST_TSC_KHZ=str(TSC_KHZ)))

    def wait_booted(self):
        """Until it takes orders; the first time, has what it needs."""
        def booted():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name}: {self.console()}")
            return self.agent.connect()
        wait_for(booted, BOOT_S, f"the agent of {self.name} answers")
        if not self.has("/etc/sluice-host"):
            self.sh("""
                mount /dev/vdb /mnt
                cp -a /mnt/. /
                umount /mnt
                hostname -F /etc/hostname
                touch /etc/sluice-host
                systemctl daemon-reload
                systemctl enable -q --now systemd-networkd ckptd
                modprobe kvm-amd""")

    def power_off(self):
        """Pull the plug: it stands still, and nothing of its memory is left
        when power_back() boots it."""
        self.agent.close()
        qmp.command(self.directory / "qmp.sock", "stop")

    def power_back(self):
        """After power_off(): begin to boot, from the disk as it was."""
        qmp.command(self.directory / "qmp.sock", "system_reset")
        qmp.command(self.directory / "qmp.sock", "cont")

    def reboot(self):
        """In good order."""
        with qmp.Monitor(self.directory / "qmp.sock") as monitor:
            self.agent.call("guest-exec", path="/bin/systemctl", arg=["reboot"])
            self.agent.close()
            monitor.wait("RESET", BOOT_S)
        self.wait_booted()

    def console(self):
        """The end of what it wrote to its console."""
        text = (self.directory / "console.log").read_text(errors="replace")
        return text[-4000:]

    # Orders ------------------------------------------------------------------

    def run(self, argv, check=True, timeout_s=120, environment=()):
        """A program inside, to its end, with its output."""
        done = self.agent.run(argv, timeout_s, environment)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, argv))}: "
                               f"{done.stderr or done.stdout}")
        return done

    def sh(self, script, **keywords):
        """A shell script that ends at its first error; its output."""
        return self.run(["/bin/sh", "-ec", script], **keywords).stdout

    def has(self, path):
        """Whether there is such a file."""
        return self.run(["/usr/bin/test", "-e", path],
                        check=False).returncode == 0

    # What Guest wants of a daemon ---------------------------------------------

    def try_ctl(self, *arguments, timeout_s=120):
        """ckptctl inside, as root."""
        return self.run(["/usr/local/bin/ckptctl", "--no-autostart",
                         *arguments], check=False, timeout_s=timeout_s)

    def ctl(self, *arguments, timeout_s=120):
        """Standard output of ckptctl; CtlError when it fails."""
        done = self.try_ctl(*arguments, timeout_s=timeout_s)
        if done.returncode:
            raise CtlError([str(a) for a in arguments], done.returncode,
                           done.stderr + done.stdout)
        return done.stdout

    def json(self, *arguments, timeout_s=120):
        """What ckptctl says, as JSON."""
        return json.loads(self.ctl("--json", *arguments, timeout_s=timeout_s))

    def close(self):
        """End it; the Network calls it."""
        self.agent.close()
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


class GuestInside(Guest):
    """A guest of the ckptd of the VirtualHost @daemon."""

    def kill_qemu(self, load=None):
        pid = self.wait_state("running")["qemu_pid"]
        if load:
            load.mark()
        self.daemon.run(["/bin/kill", "-9", pid])
        return pid
