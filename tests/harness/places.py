# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a guest runs: a network, and somebody who starts its QEMU.

A place hides what differs between them from a test that does not care: it has
a daemon, and starts redis there; the clients reach it at @address, port @port,
from the host @clients (None: this one).
"""

import contextlib
import os
import re

from .by_hand import ByHand
from .daemon import REDIS, Daemon, free_port
from .hosts import Host, Network


class UserNetwork:
    """Guests behind ckpt-netd; clients of this host reach a forwarded port."""

    def __init__(self):
        self.daemon = Daemon()
        self.address, self.port, self.clients = "127.0.0.1", free_port(), None

    def run_options(self):
        """For `ckptctl run`."""
        return ["-p", f"{self.port}:6379"]

    def by_hand(self):
        """For harness.by_hand.ByHand."""
        return {"ports": [(self.port, 6379)]}

    def close(self, keep=False):
        self.daemon.close(keep=keep)


class TapNetwork:
    """Guest and clients are neighbours on an Ethernet of namespaces."""

    def __init__(self):
        self.network = Network()
        self.clients = Host(self.network, "clients", "10.77.0.1/24")
        self.sluice = Host(self.network, "sluice", "10.77.0.2/24",
                           bridge="br0")
        self.daemon = self.sluice.daemon()
        self.address, self.port = "10.77.0.9", 6379

    def run_options(self):
        """For `ckptctl run`."""
        return ["--net", "tap,bridge=br0", "--ip", f"{self.address}/24"]

    def by_hand(self):
        """For harness.by_hand.ByHand: an interface that outlives QEMU."""
        self.sluice.ip("tuntap", "add", "mode", "tap", "dev", "guest0")
        self.sluice.ip("link", "set", "guest0", "master", "br0", "up")
        return {"netdev": "tap,id=n0,ifname=guest0,script=no,downscript=no",
                "net": f"{self.address}/24"}

    def close(self, keep=False):
        with contextlib.ExitStack() as stack:
            stack.callback(self.network.close)
            self.daemon.close(keep=keep)


NETWORKS = {"user": UserNetwork, "tap": TapNetwork}


def resolve_accel(accel):
    """What `auto` means to ckptd; a QEMU that others start is not asked."""
    if accel != "auto":
        return accel
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        real = re.search(r"\b(vmx|svm)\b", cpuinfo.read())
    return "kvm" if real and os.access("/dev/kvm", os.W_OK) else "tcg"


def start_by_ckptctl(place, accel):
    """ckptd starts QEMU, and starts it again."""
    return place.daemon.run(*REDIS, name="redis",
                            options=[*place.run_options(), "--verify",
                                     "--accel", accel, "--memory", "64"])


class Restarted(ByHand):
    """By hand, with somebody who types the same command line again."""

    def come_back(self):
        """Start it again, once the one before is dead."""
        self.process.wait(20)
        self.start(wait=False)


def start_by_hand(place, accel):
    """A plain command line."""
    return Restarted(place.daemon, *REDIS, name="redis",
                     accel=resolve_accel(accel), **place.by_hand()).start()
