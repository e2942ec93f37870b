# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that QEMU's own migration moves between two hosts.

Site is an Ethernet with three hosts: `clients`, and two with a bridge and a
ckptd each.  MovingGuest is one guest that both ckptds have adopted; its QEMU is
started by hand on one of them, and migrated by QMP.
"""

import uuid

from . import qmp
from .by_hand import ByHand
from .hosts import Host, Network
from .waiting import wait_for

CLIENTS = "10.77.0.1"
HOSTS = {"alpha": "10.77.0.2", "beta": "10.77.0.3"}
GUEST = "10.77.0.9"
MAC = "02:53:4c:00:00:09"
PORT = 4444
TAP = "guest0"
NETDEV = f"tap,id=n0,ifname={TAP},script=no,downscript=no"
RETURN_PATH = [{"capability": "return-path", "state": True}]
ENDED = ("completed", "failed", "cancelled")


class Site:
    """The three hosts; daemons are made, not started."""

    def __init__(self):
        self.network = Network()
        try:
            self.clients = Host(self.network, "clients", f"{CLIENTS}/24")
            self.hosts = [Host(self.network, name, f"{address}/24",
                               bridge="br0")
                          for name, address in HOSTS.items()]
            for host in self.hosts:
                host.ip("tuntap", "add", "dev", TAP, "mode", "tap")
                host.ip("link", "set", TAP, "master", "br0", "up")
            self.daemons = [host.daemon() for host in self.hosts]
        except BaseException:
            self.network.close()
            raise

    def close(self):
        self.network.close()


class TwoSides:
    """sides[0] and sides[1] are the guest as each host knows it; it is at
    sides[here]."""

    def __init__(self, sides):
        self.sides, self.here = sides, 0

    @property
    def source(self):
        """The side that has the guest."""
        return self.sides[self.here]

    @property
    def target(self):
        """The other one."""
        return self.sides[1 - self.here]


class MovingGuest(TwoSides):
    """Started by hand."""

    def __init__(self, site, program, *arguments, name="mover",
                 adopt=("--verify",), netdev=NETDEV, **keywords):
        self.name = name
        identity = ("--uuid", str(uuid.uuid4()), "--mac", MAC)
        super().__init__([ByHand(daemon, program, *arguments, name=name,
                                 adopt=(*adopt, *identity), netdev=netdev,
                                 net=f"{GUEST}/24", **keywords)
                          for daemon in site.daemons])

    @property
    def host(self):
        """The host that has the guest."""
        return self.source.daemon.host

    def start(self):
        """Boot it, or let it go on, where it is."""
        self.source.start()
        return self

    def expect(self, *more):
        """Start the target's QEMU, until it waits for the guest."""
        host = self.target.daemon.host
        self.target.process = self.target.popen(
            ("-incoming", f"tcp:{host.address}:{PORT}", *more))
        self.target.wait_state("arriving")
        self.target.qmp("migrate-set-capabilities", capabilities=RETURN_PATH)

    def send(self, monitor):
        """Begin to migrate, by the source's @monitor; returns at once."""
        host = self.target.daemon.host
        monitor.command("migrate-set-capabilities", capabilities=RETURN_PATH)
        monitor.command("migrate", uri=f"tcp:{host.address}:{PORT}")

    def wait_sent(self, timeout_s=60):
        """Until QEMU's migration has ended.  Return: how."""
        def ended():
            status = self.source.qmp("query-migrate").get("status")
            return status if status in ENDED else None
        return wait_for(ended, timeout_s, "the migration ends")

    def leave(self):
        """The target has it: end the source's QEMU, and look from there."""
        self.target.wait_state("running")
        self.source.qmp("quit")
        self.source.wait_exit()
        self.source.wait_state("moved")
        self.here = 1 - self.here

    def let_run(self):
        """The target was started with -S and is told to run now."""
        self.target.qmp("cont")
        self.leave()

    def move(self):
        """To the other host."""
        self.expect()
        with qmp.Monitor(self.source.qmp_socket()) as monitor:
            self.send(monitor)
        status = self.wait_sent()
        if status != "completed":
            raise AssertionError(f"migration {status}: "
                                 f"{self.source.errors()[-2000:]}")
        self.leave()
