# SPDX-License-Identifier: GPL-2.0-or-later
"""Redis in a guest, its host process killed again and again, clients watching.

With --net tap the guest is on a bridge, and the clients are on another host.

Prints progress, and as its last line the figures.  Exit status 0 only if no
acknowledged write was lost, none was done twice and every connection lived.
"""

import os
import random
import signal
import statistics
import sys
import time

from harness.daemon import REDIS
from harness.places import NETWORKS
from harness.redis_load import RedisLoad


def add_arguments(parser):
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--memory", type=int, default=64, metavar="MIB")
    parser.add_argument("--seed", type=int, default=None,
                        help="repeat the kill times of another run")
    parser.add_argument("--verify", action="store_true",
                        help="compare all of RAM at every epoch")
    parser.add_argument("--accel", default="auto",
                        choices=("auto", "kvm", "tcg"))
    parser.add_argument("--net", default="user", choices=NETWORKS,
                        help="tap: over a bridge between namespaces")
    parser.add_argument("--keep", action="store_true",
                        help="leave the store and the logs behind")


def say(text):
    print(text, flush=True)


def start_redis(place, options):
    flags = [*place.run_options(), "--memory", options.memory,
             "--accel", options.accel]
    if options.verify:
        flags.append("--verify")
    return place.daemon.run(*REDIS, name="demo", options=flags)


def kill_at_random(guest, load, options, rng):
    """Kill QEMU options.kills times, spread over the run; wait each time."""
    start = time.monotonic()
    slot = options.seconds / (options.kills + 1)
    for number in range(1, options.kills + 1):
        at = start + slot * (number - 0.5 + rng.random())
        time.sleep(max(0, at - time.monotonic()))
        pid = guest.kill_qemu(load)
        if not load.wait_recovered(60):
            say(f"kill {number}: no answer within 60 s")
            return
        say(f"kill {number}/{options.kills}: pid {pid}, first reply after "
            f"{load.result.recovery_ms[-1]:.0f} ms, "
            f"{load.result.acknowledged} writes acknowledged so far")


def run(options):
    """Return: the exit status."""
    if options.net == "tap" and os.geteuid() != 0:
        say("demo: --net tap makes network namespaces, which takes root")
        return 1
    return play(options, NETWORKS[options.net], start_redis)


def play(options, make_place, start):
    """The whole scene: @start(place, options) is a guest with redis.
    Return: the exit status."""
    seed = options.seed if options.seed is not None else \
        random.SystemRandom().randrange(1 << 30)
    say(f"seed {seed}")
    # Terminated like ended: the daemon and its guests go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = make_place()
    try:
        place.daemon.start()
        say(f"starting redis-server on {place.address}:{place.port}; "
            f"logs in {place.daemon.directory}")
        guest = start(place, options)
        guest.wait_log("Ready to accept connections", 120)
        load = RedisLoad(place.port, host=place.address, on=place.clients,
                         connections=options.connections, seed=seed)
        load.start(options.seconds)
        kill_at_random(guest, load, options, random.Random(seed))
        result = load.finish()
        recoveries = guest.status()["recoveries"]
    finally:
        place.close(options.keep)
    for problem in result.problems:
        say(f"  {problem}")
    times = result.recovery_ms or [float("nan")]
    say(f"demo: kills={recoveries} acknowledged={result.acknowledged} "
        f"lost={result.lost} duplicated={result.duplicated} "
        f"connections_kept={result.kept} "
        f"recovery_p50_ms={statistics.median(times):.0f} "
        f"recovery_max_ms={max(times):.0f}")
    return 0 if result.ok and recoveries == options.kills else 1

