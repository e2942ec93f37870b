# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts on one Ethernet, each a network namespace of this machine.

A Network is a bridge in a namespace of its own; a Host is a namespace that is
plugged into it.  Nothing has a name outside this process: a namespace lives as
long as a descriptor of it or a process in it, and what is in it goes with it.
So nothing is left over however a test ends.
"""

import contextlib
import ctypes
import os
import subprocess
import threading

from .daemon import Daemon

# linux/sched.h, sys/mount.h
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_SLAVE = 0x4000, 0x80000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def in_thread(function):
    """Call @function in a thread of its own; return or raise what it does."""
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except BaseException as error:  # pylint: disable=broad-except
            outcome.append((None, error))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error:
        raise error
    return value


class Namespace:
    """A network namespace, with a mount namespace whose /sys shows it."""

    def __init__(self):
        self.net, self.mounts = in_thread(self._make)
        self.closed = False
        self.ip("link", "set", "lo", "up")

    @staticmethod
    def _make():
        _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS))
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None))
        _check(_libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None))
        return [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY)
                for kind in ("net", "mnt")]

    def path(self, kind="net"):
        """Where `ip link set … netns` and nsenter(1) find it."""
        number = self.net if kind == "net" else self.mounts
        return f"/proc/{os.getpid()}/fd/{number}"

    def command(self, argv):
        """@argv as a command line that runs inside."""
        return ["nsenter", f"--net={self.path()}",
                f"--mount={self.path('mnt')}", "--", *map(str, argv)]

    def popen(self, argv, **keywords):
        """A process inside; subprocess.Popen."""
        return subprocess.Popen(self.command(argv), **keywords)

    def run(self, argv, check=True, **keywords):
        """A command inside, to its end; subprocess.run with its output."""
        keywords = {"capture_output": True, "text": True, "timeout": 60,
                    **keywords}
        done = subprocess.run(self.command(argv), check=False, **keywords)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))}: "
                               f"{done.stderr or done.stdout}")
        return done

    def ip(self, *arguments):
        """ip(8); its output."""
        return self.run(["ip", *arguments]).stdout

    def enter(self):
        """Take the calling thread inside, for good: sockets that it makes
        from now on are of this host.  Never from the main thread."""
        assert threading.current_thread() is not threading.main_thread()
        _check(_libc.setns(self.net, CLONE_NEWNET))

    def call(self, function):
        """What @function returns when it is called inside."""
        def run():
            self.enter()
            return function()
        return in_thread(run)

    def links(self):
        """Names of the interfaces but the loopback."""
        names = [line.split()[0].partition("@")[0]
                 for line in self.ip("-brief", "link", "show").splitlines()]
        return sorted(name for name in names if name != "lo")

    def close(self):
        """Let go of it; it ends with its last process."""
        if not self.closed:
            self.closed = True
            os.close(self.net)
            os.close(self.mounts)


class Network:
    """An Ethernet switch: a bridge in a namespace of its own."""

    def __init__(self):
        self.namespace = Namespace()
        self.hosts = []
        with self._closing_on_error():
            _add_bridge(self.namespace, "br0")

    @contextlib.contextmanager
    def _closing_on_error(self):
        try:
            yield
        except BaseException:
            self.close()
            raise

    def unplug(self, host):
        """Pull the cable of @host."""
        self.namespace.ip("link", "set", host.name, "down")

    def plug(self, host):
        """Put it in again."""
        self.namespace.ip("link", "set", host.name, "up")

    def close(self):
        """End the hosts and the switch."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.namespace.close)
            for host in self.hosts:
                stack.callback(host.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Host(Namespace):
    """A host on a Network: its eth0 has @address ("10.0.0.1/24").

    With @bridge, eth0 is a port of a bridge of that name and the bridge has
    the address, as where guests are to be on the same Ethernet.
    """

    def __init__(self, network, name, address, bridge=None, gateway=None):
        assert len(name) <= 15, "the name of its port on the switch"
        super().__init__()
        self.name, self.network = name, network
        self.address = address.partition("/")[0]
        self.daemons = []
        network.hosts.append(self)
        network.namespace.ip("link", "add", "name", name, "type", "veth",
                             "peer", "name", "eth0", "netns", self.path())
        network.namespace.ip("link", "set", name, "master", "br0", "up")
        self.ip("link", "set", "eth0", "up")
        if bridge:
            _add_bridge(self, bridge)
            self.ip("link", "set", "eth0", "master", bridge)
        self.ip("address", "add", address, "dev", bridge or "eth0")
        if gateway:
            self.ip("route", "add", "default", "via", gateway)

    BRIDGE_HELPER = "/usr/lib/qemu/qemu-bridge-helper"

    def allow_bridge(self, bridge):
        """Let qemu-bridge-helper, setuid root, put interfaces into @bridge,
        on this host alone, where /dev/net/tun is as udev makes it."""
        self.run(["sh", "-ec", f"""
            mount -t tmpfs -o mode=755 none /mnt
            mkdir -p /mnt/etc/qemu /mnt/work
            echo 'allow {bridge}' > /mnt/etc/qemu/bridge.conf
            mount -t overlay -o upperdir=/mnt/etc,workdir=/mnt/work,lowerdir=/etc none /etc
            cp {self.BRIDGE_HELPER} /mnt/helper
            chmod u+s /mnt/helper
            mknod -m 666 /mnt/tun c 10 200
            mount --bind /mnt/tun /dev/net/tun
            mount --bind /mnt/helper {self.BRIDGE_HELPER}
            umount -l /mnt"""])

    def daemon(self, **keywords):
        """A Daemon whose ckptd, QEMUs and ckptctl run on this host; close()
        ends it."""
        daemon = Daemon(host=self, **keywords)
        self.daemons.append(daemon)
        return daemon

    def close(self):
        """End its daemons and let go of it."""
        with contextlib.ExitStack() as stack:
            stack.callback(super().close)
            for daemon in self.daemons:
                stack.callback(daemon.close)


def _add_bridge(namespace, name):
    """A bridge that keeps its address: without one it takes that of a port, and
    where the port goes, neighbours look for the host at the wrong place."""
    octets = [0x02, *os.urandom(5)]
    namespace.ip("link", "add", "name", name, "address",
                 ":".join(f"{octet:02x}" for octet in octets),
                 "type", "bridge", "stp_state", "0", "forward_delay", "0")
    namespace.ip("link", "set", name, "up")
