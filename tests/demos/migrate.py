# SPDX-License-Identifier: GPL-2.0-or-later
"""Redis in a guest that moves between two hosts again and again, as its
clients work with it.

The hosts are network namespaces on one Ethernet, each with a ckptd and a store
of its own.  Prints progress, and as its last line the figures.  Exit status 0
only if no acknowledged write was lost, none was done twice, every connection
lived and every move arrived.
"""

import os
import random
import signal
import statistics
import sys

from harness.daemon import REDIS, CtlError
from harness.movers import Gaps, Movers
from harness.redis_load import RedisLoad

ADDRESS = "10.77.0.9"


def add_arguments(parser):
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--memory", type=int, default=64, metavar="MIB")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--verify", action="store_true",
                        help="compare all of RAM at every epoch")
    parser.add_argument("--keep", action="store_true",
                        help="leave the stores and the logs behind")


def say(text):
    print(text, flush=True)


def start_redis(movers, options):
    flags = ["--net", "tap,bridge=br0", "--ip", f"{ADDRESS}/24",
             "--memory", options.memory]
    if options.verify:
        flags.append("--verify")
    guest = movers.daemons["east"].run(
        *REDIS, name="demo", options=flags)
    guest.wait_log("Ready to accept connections", 120)
    return guest


def move_to_and_fro(movers, load, options):
    """Return: how many moves arrived, and the gaps that clients saw."""
    gaps = Gaps(load)
    source, target = "east", "west"
    for number in range(1, options.moves + 1):
        load.wait_acknowledged(200)
        gaps.begin()
        try:
            told = movers.move("demo", source, target)
        except CtlError as error:
            say(f"move {number}: {error}")
            return number - 1, gaps.times
        gap_ms = gaps.end()
        say(f"move {number}/{options.moves}: {source} -> {target}, stood "
            f"still for {told['downtime_us'] / 1000:.1f} ms, clients saw "
            f"{gap_ms:.1f} ms, {told['rounds']} rounds, "
            f"{load.result.acknowledged} writes acknowledged so far")
        source, target = target, source
    return options.moves, gaps.times


def run(options):
    """Return: the exit status."""
    seed = options.seed if options.seed is not None else \
        random.SystemRandom().randrange(1 << 30)
    say(f"seed {seed}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        say("demo: --migrate makes network namespaces, which takes root")
        return 1
    movers = Movers()
    try:
        movers.start()
        say(f"starting redis-server on {ADDRESS}; logs in "
            f"{movers.daemons['east'].directory} and "
            f"{movers.daemons['west'].directory}")
        start_redis(movers, options)
        load = RedisLoad(6379, host=ADDRESS, on=movers.clients,
                         connections=options.connections, seed=seed)
        load.start(24 * 3600)
        moves, gaps = move_to_and_fro(movers, load, options)
        load.stop()
        result = load.finish()
    finally:
        movers.close(options.keep)
    for problem in result.problems:
        say(f"  {problem}")
    gaps = gaps or [float("nan")]
    say(f"migrate: moves={moves} acknowledged={result.acknowledged} "
        f"lost={result.lost} duplicated={result.duplicated} "
        f"connections_kept={result.kept} "
        f"downtime_p50_ms={statistics.median(gaps):.0f} "
        f"downtime_max_ms={max(gaps):.0f}")
    return 0 if result.ok and moves == options.moves else 1
