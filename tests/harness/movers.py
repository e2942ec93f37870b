# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that are paired, between which guests move."""

import os
import signal

from . import trace
from .daemon import CtlError, Guest, process_state
from .hosts import Host, Network
from .waiting import wait_for

PORT = 7345


class Movers:
    """Hosts on one Ethernet, each with a ckptd and a store of its
    own, every one paired with every other; and a host of clients."""

    def __init__(self, names=("east", "west"), clients="10.77.0.1/24"):
        self.network = Network()
        self.clients = Host(self.network, "clients", clients)
        self.hosts, self.daemons = {}, {}
        for number, name in enumerate(names, 2):
            self.hosts[name] = Host(self.network, name, f"10.77.0.{number}/24",
                                    bridge="br0")
            self.daemons[name] = self.hosts[name].daemon()

    def start(self):
        """Start every ckptd and pair them all."""
        for daemon in self.daemons.values():
            daemon.start()
        self.pair_all()

    def pair_all(self):
        names = list(self.daemons)
        for name in names:
            self.listen(name)
        for number, name in enumerate(names):
            for other in names[number + 1:]:
                self.pair(name, other)

    def listen(self, name):
        self.daemons[name].ctl("host", "listen", self.address(name))

    def pair(self, name, other):
        """`host invite` on @name, `host add` on @other: one step."""
        token = self.daemons[name].ctl("host", "invite").strip()
        self.daemons[other].ctl("host", "add", "--as", other, name, token)

    def address(self, name):
        return f"{self.hosts[name].address}:{PORT}"

    def unplug(self, name):
        self.network.unplug(self.hosts[name])

    def plug(self, name):
        self.network.plug(self.hosts[name])

    def guest(self, name, on):
        return Guest(self.daemons[on], name)

    def move(self, name, source, target, *options):
        """Move a guest; what `ckptctl --json migrate` says of it."""
        return self.daemons[source].json("migrate", *options, name, target)

    def places(self, name):
        """host -> status, for each that knows the guest."""
        found = {}
        for host, daemon in self.daemons.items():
            if daemon.process is None or daemon.process.poll() is not None:
                continue
            for status in daemon.json("ps"):
                if status["name"] == name:
                    found[host] = status
        return found

    def wait_one(self, name, timeout_s=60):
        """Until exactly one host has the guest, and it runs there; that
        host."""
        def settled():
            places = self.places(name)
            states = [status["state"] for status in places.values()]
            return next(iter(places)) if states == ["running"] else None
        return wait_for(settled, timeout_s, f"exactly one {name} that runs")

    def wait_calm(self, timeout_s=60):
        """Until every ckptd has noticed that a link is cut: it runs the guest,
        does not have it, or waits for a word about it."""
        def calm():
            return all(
                status["state"] == "running" and not status.get("move_to")
                or status.get("move_waits")
                for daemon in self.daemons.values()
                for status in daemon.json("ps"))
        wait_for(calm, timeout_s, "the cut is noticed")

    def close(self, keep=False):
        for daemon in self.daemons.values():
            try:
                daemon.close(keep=keep)
            except (CtlError, OSError) as error:
                print(f"closing: {error}")
        self.network.close()


class Gaps:
    """How long clients had no answer: of a RedisLoad, in milliseconds."""

    def __init__(self, load):
        self.load = load
        self.times = []

    def begin(self):
        """Right before a move."""
        self.load.listen()

    def end(self, more=50):
        """When the move is over: wait for some more answers, note the longest
        time without one."""
        self.load.wait_acknowledged(more)
        self.times.append(self.load.silence_ms())
        return self.times[-1]


def percentile(values, percent):
    """Of a list that is not empty, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Faults:
    """Stops a ckptd at a step of a move, has something happen, goes on."""

    def __init__(self, movers, name):
        self.movers, self.name = movers, name

    def arm(self, host, step):
        """Start the ckptd of @host anew, to stop at @step."""
        daemon = self.movers.daemons[host]
        daemon.kill()
        daemon.environment["SLUICE_STOP_AT"] = step
        daemon.start()
        self.movers.wait_one(self.name)

    def wait_stopped(self, host, timeout_s=60):
        daemon = self.movers.daemons[host]
        wait_for(lambda: process_state(daemon.process.pid) == "T", timeout_s,
                 f"{host} stops at {daemon.environment['SLUICE_STOP_AT']}")

    def resume(self, host):
        daemon = self.movers.daemons[host]
        if daemon.process.poll() is None:
            daemon.process.send_signal(signal.SIGCONT)

    def kill_qemu(self, host):
        """SIGKILL to the QEMU of the guest on @host, if there is one."""
        pid_file = self.movers.daemons[host].runtime / "guests" / self.name \
            / "qemu.pid"
        try:
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def mend(self):
        """Everything that was broken is whole again."""
        for host, daemon in self.movers.daemons.items():
            self.movers.plug(host)
            daemon.environment.pop("SLUICE_STOP_AT", None)
            self.resume(host)
            if daemon.process.poll() is not None:
                daemon.start()


def owners(movers, name):
    """(host, generation) of each WELCOME, in the order of time; AssertionError
    where one host runs the guest though another one had not given it away by
    then, or a generation comes back (F1)."""
    happened = []
    for host, daemon in movers.daemons.items():
        for event in trace.events(daemon.trace, name):
            if event["event"] in ("welcome", "move"):
                happened.append((event["monotonic_ns"], host, event))
    owner, generation, given, found = None, 0, True, []
    for _, host, event in sorted(happened, key=lambda entry: entry[0]):
        if event["event"] == "move":
            given |= event["step"] == "given" and host == owner
            continue
        assert host == owner or given, \
            f"{host} runs it while it was {owner}'s"
        again = event["action"] == 3    # CONTINUE: ckptd was away
        assert event["generation"] > generation or \
            (again and event["generation"] == generation and host == owner), \
            f"generation {event['generation']} behind {generation}"
        owner, generation, given = host, event["generation"], False
        found.append((host, generation))
    return found


class TwoNetworks(Movers):
    """East and its clients on one Ethernet, west and others on another, with a
    router between them."""

    def __init__(self):
        super().__init__(names=("east",))
        self.other = Network()
        for host in (self.hosts["east"], self.clients):
            host.ip("route", "add", "default", "via", "10.77.0.254")
        self.router = Host(self.network, "router", "10.77.0.254/24")
        self.other.namespace.ip("link", "add", "name", "router", "type",
                                "veth", "peer", "name", "eth1", "netns",
                                self.router.path())
        self.other.namespace.ip("link", "set", "router", "master", "br0", "up")
        self.router.ip("address", "add", "10.88.0.254/24", "dev", "eth1")
        self.router.ip("link", "set", "eth1", "up")
        self.router.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
        self.hosts["west"] = Host(self.other, "west", "10.88.0.3/24",
                                  gateway="10.88.0.254")
        self.daemons["west"] = self.hosts["west"].daemon()
        self.far = Host(self.other, "far", "10.88.0.9/24",
                        gateway="10.88.0.254")

    def close(self, keep=False):
        try:
            super().close(keep)
        finally:
            self.other.close()
