# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that start at a named checkpoint instead of at their beginning.

redis loads a data set over the network once and is named; then it starts from
there again and again, beside itself, and answers at once.  A small program that
prints random numbers starts the same way, and no two of its starts print one
alike.

Prints progress, and as its last line the figures.  Exit status 0 only if every
start had the whole data set and no random number was seen twice.
"""

import signal
import statistics
import sys
import time

from harness.daemon import PROGRAMS, Daemon, free_port
from harness.names import (Client, name_checkpoint, random_pairs,
                           start_forwarded, start_from, value_of)
from harness.waiting import wait_for

LABEL = "ready"


def add_arguments(parser):
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--keys", type=int, default=200000)
    parser.add_argument("--memory", type=int, default=256, metavar="MIB")
    parser.add_argument("--accel", default="auto",
                        choices=("auto", "kvm", "tcg"))
    parser.add_argument("--keep", action="store_true",
                        help="leave the store and the logs behind")


def say(text):
    print(text, flush=True)


def load_redis(daemon, options):
    """A redis that is ready to serve.  Return: guest, milliseconds it took."""
    port = free_port()
    began = time.monotonic()
    guest = daemon.run(PROGRAMS / "redis-server", "--save", "", "--appendonly",
                       "no", "--protected-mode", "no", name="redis",
                       ports=[(port, 6379)],
                       options=["--memory", options.memory,
                                "--accel", options.accel])
    client = Client(("127.0.0.1", port))
    client.load(options.keys)
    startup_ms = (time.monotonic() - began) * 1000
    client.close()
    return guest, startup_ms


def wrong_keys(client, keys):
    """How many of some keys, and of their number, are not as loaded."""
    sample = range(0, keys, max(1, keys // 100))
    return (client.ask("DBSIZE") != keys) + sum(
        client.ask("GET", f"key:{n}") != value_of(n) for n in sample)


def start_redis(guest, number, keys):
    """One start.  Return: milliseconds to the first useful reply, wrong keys."""
    name = f"redis-{number}"
    began = time.monotonic()
    _, port = start_forwarded(guest, LABEL, name, 6379)
    client = Client(("127.0.0.1", port), "GET", f"key:{keys - 1}")
    took_ms = (time.monotonic() - began) * 1000
    wrong = wrong_keys(client, keys) + (client.first != value_of(keys - 1))
    client.close()
    guest.daemon.ctl("rm", "--force", name)
    return took_ms, wrong


def same_randoms(daemon, options):
    """How many random numbers of @options.starts guests, and of the one that
    they began with, were seen more than once."""
    guest = daemon.run(PROGRAMS / "randoms-musl", "forever", name="randoms",
                       options=["--accel", options.accel, "--memory", 64])
    guest.wait_log("random ", 120)
    name_checkpoint(guest, LABEL)
    same, seen = 0, set()
    for number in range(options.starts + 1):
        each = start_from(guest, LABEL, f"randoms-{number}") \
            if number < options.starts else guest
        wait_for(lambda each=each: len(random_pairs(each)) >= 3, 120,
                 f"{each.name} prints")
        for value in (v for pair in random_pairs(each) for v in pair):
            same += value in seen
            seen.add(value)
        daemon.ctl("rm", "--force", each.name)
    say(f"{len(seen)} random numbers of {options.starts + 1} guests")
    return same


def run(options):
    """Return: the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    daemon = Daemon()
    times, wrong = [], 0
    try:
        daemon.start()
        say(f"loading {options.keys} keys; logs in {daemon.directory}")
        guest, startup_ms = load_redis(daemon, options)
        began = time.monotonic()
        epoch = name_checkpoint(guest, LABEL)
        size = daemon.json("ls")[0]["bytes"]
        say(f"ready after {startup_ms:.0f} ms; epoch {epoch} is "
            f"redis@{LABEL}: {size >> 20} MiB, written in "
            f"{(time.monotonic() - began) * 1000:.0f} ms")
        for number in range(1, options.starts + 1):
            took_ms, bad = start_redis(guest, number, options.keys)
            times.append(took_ms)
            wrong += bad
            say(f"start {number}/{options.starts}: first reply after "
                f"{took_ms:.0f} ms" + (f", {bad} keys wrong" if bad else ""))
        same = same_randoms(daemon, options)
    finally:
        daemon.close(keep=options.keep)
    say(f"start: program=redis startup_ms={startup_ms:.0f} "
        f"named_p50_ms={statistics.median(times):.0f} same_random={same}")
    return 0 if wrong == same == 0 else 1
