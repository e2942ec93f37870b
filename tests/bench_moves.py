# SPDX-License-Identifier: GPL-2.0-or-later
"""What a move to another host costs, for guests of two sizes (bench.py)."""

import os

from harness.daemon import REDIS
from harness.movers import Gaps, Movers
from harness.redis_load import RedisLoad

ADDRESS = "10.77.0.9"
SIZES_MIB = (64, 1024)
FILL_BYTES = 4 << 20        # of one value
NAME = "moves"


def fill(load, memory_mib):
    """Give the guest as much to remember as a quarter of its memory."""
    load.fill(memory_mib * (1 << 20) // 4 // FILL_BYTES, FILL_BYTES)


def of_size(movers, memory_mib, count, row):
    """@count moves to and fro of a guest with so much memory."""
    guest = movers.daemons["east"].run(
        *REDIS, name=NAME, options=["--net", "tap,bridge=br0", "--ip",
                                    f"{ADDRESS}/24", "--memory", memory_mib])
    guest.wait_log("Ready to accept connections", 120)
    load = RedisLoad(6379, host=ADDRESS, on=movers.clients, connections=16)
    fill(load, memory_mib)
    load.start(3600)
    gaps, quiet, stood, took = Gaps(load), Gaps(load), [], []
    source, target = "east", "west"
    for _ in range(count):
        quiet.begin()
        quiet.end(500)
        gaps.begin()
        told = movers.move(NAME, source, target)
        gaps.end()
        stood.append(told["downtime_us"] / 1000)
        took.append(told["move_ms"] / 1000)
        source, target = target, source
    load.stop()
    result = load.finish()
    print(f"moves of {memory_mib} MiB, {memory_mib // 4} MiB in use, under "
          f"load: lost {result.lost} duplicated {result.duplicated} kept "
          f"{result.kept}/16")
    row("  clients without an answer", gaps.times, 1, "ms")
    row("  the same without a move", quiet.times, 1, "ms")
    row("  the guest stood still", stood, 1, "ms")
    row("  the whole move", took, 1, "s")
    movers.daemons[source].ctl("rm", "--force", NAME)


def run(count, row):
    """Print distributions by @row (of bench.py)."""
    if os.geteuid() != 0:
        print("moves: not measured, network namespaces take root")
        return
    movers = Movers()
    try:
        movers.start()
        for memory_mib in SIZES_MIB:
            of_size(movers, memory_mib, count, row)
    finally:
        movers.close()
