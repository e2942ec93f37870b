# SPDX-License-Identifier: GPL-2.0-or-later
"""The places of places.py, with a libvirtd that starts the guest's QEMU."""

import contextlib

from .daemon import REDIS, free_port
from .hosts import Host, Network
from .libvirt import Domain, Libvirtd


class UserNetwork:
    """Clients of this host reach a forwarded port, through a ckpt-netd that
    libvirt knows nothing of."""

    def __init__(self):
        self.libvirtd = Libvirtd()
        self.daemon = self.libvirtd.daemon()
        self.address, self.port, self.clients = "127.0.0.1", free_port(), None

    def domain(self):
        """For harness.libvirt.Domain."""
        return {"ports": [(self.port, 6379)]}

    def close(self, keep=False):
        with contextlib.ExitStack() as stack:
            stack.callback(self.libvirtd.close)
            self.daemon.close(keep=keep)


class TapNetwork:
    """Guest and clients are neighbours on an Ethernet of namespaces; libvirt
    makes the TAP, a new one for each QEMU."""

    def __init__(self):
        self.network = Network()
        self.clients = Host(self.network, "clients", "10.77.0.1/24")
        self.libvirtd = Libvirtd(namespace=Host(
            self.network, "sluice", "10.77.0.2/24", bridge="br0"))
        self.daemon = self.libvirtd.daemon()
        self.address, self.port = "10.77.0.9", 6379

    def domain(self):
        """For harness.libvirt.Domain."""
        return {"net": "bridge=br0", "ip": f"{self.address}/24"}

    def close(self, keep=False):
        with contextlib.ExitStack() as stack:
            stack.callback(self.network.close)
            stack.callback(self.libvirtd.close)
            self.daemon.close(keep=keep)


NETWORKS = {"user": UserNetwork, "tap": TapNetwork}


def start_by_libvirt(place, accel):
    """A persistent domain; ckptd has libvirt start it again."""
    return Domain(place.daemon, *REDIS, name="redis",
                  adopt=("--verify", "--accel", accel),
                  **place.domain()).define().start()
