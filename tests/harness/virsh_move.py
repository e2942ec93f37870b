# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that `virsh migrate --live` moves between two libvirtds.

As qemu_move.py, but each host has a libvirtd of its own, which makes the TAP.
The libvirtds differ in host name and host UUID: they refuse to migrate to
themselves.
"""

import contextlib
import re
import uuid

from .hosts import Host, Network
from .libvirt import Domain, Libvirtd
from .qemu_move import CLIENTS, GUEST, HOSTS, MAC, TwoSides
from .waiting import wait_for

# virsh's ways of getting the guest across; direct is the last.
WAYS = (("--p2p", "--tunnelled"), ("--p2p",), ())


class HostLibvirtd(Libvirtd):
    """The libvirtd of @host, under its name."""

    def __init__(self, host):
        self.host = host
        super().__init__(namespace=host)

    def start(self):
        with open(self.directory / "etc/libvirt/libvirtd.conf", "a",
                  encoding="ascii") as config:
            config.write(f'host_uuid = "{uuid.uuid4()}"\n')
        self.logger = self.popen(["virtlogd"], "virtlogd.log")
        self.process = self.popen(
            ["unshare", "--uts", "sh", "-c",
             f"hostname {self.host.name} && exec libvirtd --timeout 0"],
            "libvirtd.log")
        wait_for(self._listens, 60, "libvirtd listens")


class VirshSite:
    """`clients`, and two hosts with a bridge, a libvirtd and a ckptd each;
    daemons are made, not started."""

    def __init__(self):
        self.network = Network()
        self.libvirtds = []
        try:
            self.clients = Host(self.network, "clients", f"{CLIENTS}/24")
            for name, address in HOSTS.items():
                self.libvirtds.append(HostLibvirtd(
                    Host(self.network, name, f"{address}/24", bridge="br0")))
            self.daemons = [libvirtd.daemon() for libvirtd in self.libvirtds]
        except BaseException:
            self.close()
            raise

    def close(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.network.close)
            for libvirtd in self.libvirtds:
                stack.callback(libvirtd.close)


class VirshGuest(TwoSides):
    """A domain."""

    def __init__(self, site, program, *arguments, name="mover",
                 adopt=("--verify",), memory_mib=64):
        identity = ("--uuid", str(uuid.uuid4()), "--mac", MAC)
        self.name = name
        super().__init__([Domain(daemon, program, *arguments, name=name,
                                 net="bridge=br0", ip=f"{GUEST}/24",
                                 adopt=(*adopt, *identity),
                                 memory_mib=memory_mib)
                          for daemon in site.daemons])
        self.moves = 0

    @property
    def host(self):
        """The host that has the guest."""
        return self.source.libvirtd.host

    def start(self):
        """Boot it."""
        self.source.define().start()
        return self

    def _move_words(self, way):
        there = self.target.libvirtd
        uri = f"qemu+unix:///system?socket={there.socket()}"
        words = [] if "--tunnelled" in way else [
            "--migrateuri", f"tcp://{there.host.address}"]
        return ["migrate", "--live", "--persistent", "--undefinesource", *way,
                self.name, uri, *words, "--xml", self.target.xml_path]

    def begin_slow_move(self):
        """Until RAM comes in at the other host; that it ends takes fast().
        Return: virsh, subprocess.Popen."""
        here = self.source.libvirtd
        virsh = here.popen(["virsh", "-q", "-c", here.uri,
                            *self._move_words(("--p2p", "--bandwidth", "1"))],
                           "virsh-migrate.log")
        wait_for(lambda: self._sends_ram() or virsh.poll() is not None,
                 60, "RAM goes out")
        assert virsh.poll() is None, self.move_said()
        return virsh

    def move_said(self):
        """What virsh said of the moves that began slowly, and libvirtd of
        this host with it."""
        here = self.source.libvirtd.directory
        return "".join((here / log).read_text("utf-8")
                       for log in ("virsh-migrate.log", "libvirtd.log"))

    def _sends_ram(self):
        """Whether this host's QEMU has begun: it asked its ckptd whether the
        guest may leave, the other QEMU waits in `arriving` for the answer."""
        job = self.source.virsh("domjobinfo", "--rawstats")
        return re.search(r"^memory_processed: [1-9]", job, re.M) is not None

    def fast(self):
        """Let a slow move do the rest."""
        self.source.virsh("migrate-setspeed", "1000")

    def move(self, way=None):
        """To the other host; by the ways of WAYS in turn, or by @way."""
        way = WAYS[self.moves % len(WAYS)] if way is None else way
        self.source.libvirtd.virsh(*self._move_words(way))
        self.arrived()

    def arrived(self):
        """The other host has it: look from there."""
        self.target.wait_state("running")
        self.source.wait_state("moved")
        self.here = 1 - self.here
        self.moves += 1
