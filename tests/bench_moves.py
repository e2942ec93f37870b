# SPDX-License-Identifier: GPL-2.0-or-later
"""What a move to another host costs, for guests of two sizes (bench.py)."""

import os

from harness import trace
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


# What the guest stands still for, and what the clients wait for behind it.
STEPS = (
    ("stops, its last epoch is durable", "freeze", "frozen"),
    ("its QEMU dies, the rest goes over", "frozen", "sealed"),
    ("the ledger here", "sealed", "given"),
    ("the ledger there", "given", "taken"),
    ("QEMU restores, the first epoch is durable", "taken", "durable"),
)


def steps_of(source, target):
    """Nanoseconds of each of STEPS of the last move, by both traces."""
    at = {}
    for daemon, steps in ((source, ("freeze", "frozen", "sealed", "given")),
                          (target, ("taken",))):
        for event in trace.events(daemon.trace, NAME):
            if event.get("step") in steps:
                at[event["step"]] = event["monotonic_ns"]
    at["durable"] = min(
        event["monotonic_ns"] for event in trace.events(target.trace, NAME)
        if event["event"] == "durable" and event["monotonic_ns"] > at["taken"])
    return [at[end] - at[begin] for _, begin, end in STEPS]


def of_size(movers, memory_mib, count, row):
    """@count moves to and fro of a guest with so much memory."""
    guest = movers.daemons["east"].run(
        *REDIS, name=NAME, options=["--net", "tap,bridge=br0", "--ip",
                                    f"{ADDRESS}/24", "--memory", memory_mib])
    guest.wait_log("Ready to accept connections", 120)
    load = RedisLoad(6379, host=ADDRESS, on=movers.clients, connections=16)
    fill(load, memory_mib)
    load.start(3600)
    gaps, quiet, stood, took, steps = Gaps(load), Gaps(load), [], [], []
    source, target = "east", "west"
    for _ in range(count):
        quiet.begin()
        quiet.end(500)
        gaps.begin()
        told = movers.move(NAME, source, target)
        gaps.end()
        stood.append(told["downtime_us"] / 1000)
        took.append(told["move_ms"] / 1000)
        steps.append(steps_of(movers.daemons[source], movers.daemons[target]))
        source, target = target, source
    load.stop()
    result = load.finish()
    print(f"moves of {memory_mib} MiB, {memory_mib // 4} MiB in use, under "
          f"load: lost {result.lost} duplicated {result.duplicated} kept "
          f"{result.kept}/16")
    row("  clients without an answer", gaps.times, 1, "ms")
    row("  the same without a move", quiet.times, 1, "ms")
    row("  the guest stood still", stood, 1, "ms")
    for (step, _, _), values in zip(STEPS, zip(*steps)):
        row(f"    {step}", values, 1e-6, "ms")
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
