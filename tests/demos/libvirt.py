# SPDX-License-Identifier: GPL-2.0-or-later
"""The crash demo, and the guest is a domain of a real libvirtd.

libvirtd runs in namespaces and directories of its own, so root is needed and
this machine's libvirt is left alone. With --net tap libvirt plugs the domain's
<interface> into a bridge, and the clients are on another host.
"""

from harness.daemon import REDIS
from harness.libvirt import Domain, installed
from harness.libvirt_places import NETWORKS

from . import crash


def add_arguments(parser):
    crash.add_arguments(parser)


def start_redis(place, options):
    adopt = ["--accel", options.accel]
    if options.verify:
        adopt.append("--verify")
    return Domain(place.daemon, *REDIS, name="demo", memory_mib=options.memory,
                  adopt=adopt, **place.domain()).define().start()


def run(options):
    """Return: the exit status."""
    if not installed():
        crash.say("demo: --libvirt makes namespaces for a libvirtd, which takes "
                  "root, libvirtd and virsh")
        return 1
    return crash.play(options, NETWORKS[options.net], start_redis)
