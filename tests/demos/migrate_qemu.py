# SPDX-License-Identifier: GPL-2.0-or-later
"""Two redis in guests that QEMU's own migration moves between two hosts, to and
fro, clients on a third host watching: one by QMP, and one by virsh, tunnelled,
peer to peer and direct, in turn.

Prints progress, and as its last line the figures.  Exit status 0 only if no
acknowledged write was lost, none was done twice and every connection lived.
"""

import contextlib
import random
import signal
import statistics
import sys

from harness import libvirt
from harness.daemon import REDIS
from harness.qemu_move import GUEST, MovingGuest, Site
from harness.redis_load import RedisLoad
from harness.virsh_move import VirshGuest, VirshSite


def add_arguments(parser):
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--memory", type=int, default=64, metavar="MIB")
    parser.add_argument("--writes", type=int, default=200,
                        help="acknowledged between two moves")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--verify", action="store_true",
                        help="compare all of RAM at every epoch")


def say(text):
    print(text, flush=True)


class Traveller:
    """A redis that moves, on an Ethernet of its own, and its clients."""

    def __init__(self, site, guest_class, options, seed):
        self.site = site
        for daemon in site.daemons:
            daemon.start()
        self.guest = guest_class(
            site, *REDIS, memory_mib=options.memory,
            adopt=("--verify",) if options.verify else ()).start()
        self.guest.source.wait_log("Ready to accept connections", 120)
        self.load = RedisLoad(6379, host=GUEST, on=site.clients, seed=seed,
                              connections=options.connections // 2)
        self.load.start(3600)

    def move(self, writes):
        """Return: the longest time without any answer, in ms."""
        self.load.wait_acknowledged(writes)
        self.load.listen()
        self.guest.move()
        self.load.wait_acknowledged(writes)
        return self.load.silence_ms()


def move_to_and_fro(travellers, options):
    """Each in turn.  Return: milliseconds without answers, one a move."""
    times = []
    for number in range(1, options.moves + 1):
        traveller = travellers[number % len(travellers)]
        times.append(traveller.move(options.writes))
        if any(t.load.result.broken for t in travellers):
            break
        say(f"move {number}/{options.moves}: "
            f"{type(traveller.guest).__name__} to {traveller.guest.host.name}, "
            f"{times[-1]:.0f} ms without answers, "
            f"{sum(t.load.result.acknowledged for t in travellers)} writes "
            "acknowledged so far")
    return times


def play(options, seed):
    """Return: milliseconds without answers, and the loads' results."""
    with contextlib.ExitStack() as stack:
        travellers = []
        for site_class, guest_class in ((VirshSite, VirshGuest),
                                        (Site, MovingGuest)):
            site = site_class()
            stack.callback(site.close)
            travellers.append(Traveller(site, guest_class, options, seed))
        times = move_to_and_fro(travellers, options)
        for traveller in travellers:
            traveller.load.stop()
        return times, [t.load.finish() for t in travellers]


def run(options):
    """Return: the exit status."""
    seed = options.seed if options.seed is not None else \
        random.SystemRandom().randrange(1 << 30)
    say(f"seed {seed}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not libvirt.installed():
        say("demo: --migrate --qemu makes network namespaces and runs libvirtd, "
            "which takes root, libvirtd and virsh")
        return 1
    times, results = play(options, seed)
    for result in results:
        for problem in result.problems:
            say(f"  {problem}")
    say(f"migrate: moves={len(times)} "
        f"acknowledged={sum(r.acknowledged for r in results)} "
        f"lost={sum(r.lost for r in results)} "
        f"duplicated={sum(r.duplicated for r in results)} "
        f"connections_kept={sum(r.kept for r in results)} "
        f"downtime_p50_ms={statistics.median(times):.0f} "
        f"downtime_max_ms={max(times):.0f}")
    return 0 if all(r.ok for r in results) and len(times) == options.moves \
        else 1
