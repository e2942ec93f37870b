# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that start at a named checkpoint instead of at their beginning.

redis loads a data set over the network once and is named; then it starts from
there again and again, beside itself, and answers at once.  So does a service in
Python that imports a big library, and draws random numbers of each kind in
every start.  What redis does not draw, a small program does that starts the
same way.  No two starts may draw one alike.

Prints progress, and as its last lines the figures of each program.  Exit status
0 only if every start gave the right answers and no random number was seen twice.
"""

import signal
import statistics
import sys
import time

from harness import factors
from harness.daemon import PROGRAMS, REDIS, Daemon, free_port
from harness.names import (name_checkpoint, random_pairs, start_forwarded,
                           start_from)
from harness.resp import Client, value_of
from harness.waiting import wait_for

LABEL = "ready"


def add_arguments(parser):
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--keys", type=int, default=200000)
    parser.add_argument("--memory", type=int, default=256, metavar="MIB",
                        help="of redis' guest")
    parser.add_argument("--accel", default="auto",
                        choices=("auto", "kvm", "tcg"))
    parser.add_argument("--keep", action="store_true",
                        help="leave the store and the logs behind")


def say(text):
    print(text, flush=True)


class Randoms:
    """Counts what was drawn more than once."""

    def __init__(self):
        self.seen, self.same = set(), 0

    def add(self, values):
        for value in values:
            self.same += value in self.seen
            self.seen.add(value)


class Redis:
    """A data set that is loaded over the network."""

    name, port = "redis", 6379

    def __init__(self, daemon, options):
        self.daemon, self.options = daemon, options
        self.randoms = Randoms()

    def load(self):
        """Return: the guest, when it is ready to serve."""
        port = free_port()
        guest = self.daemon.run(*REDIS, name=self.name,
                                ports=[(port, self.port)],
                                options=["--memory", self.options.memory,
                                         "--accel", self.options.accel])
        client = Client(("127.0.0.1", port))
        client.load(self.options.keys)
        client.close()
        return guest

    def first_reply(self, port):
        """Return: what checks the rest of what is on @port, and says how much
        of it is wrong."""
        keys = self.options.keys
        client = Client(("127.0.0.1", port), "GET", f"key:{keys - 1}")

        def check():
            wrong = (client.first != value_of(keys - 1)) + \
                (client.ask("DBSIZE") != keys) + sum(
                    client.ask("GET", f"key:{n}") != value_of(n)
                    for n in range(0, keys, max(1, keys // 100)))
            client.close()
            return wrong
        return check

    def finish(self):
        """Starts of a program that draws random numbers, and its original."""
        guest = self.daemon.run(PROGRAMS / "randoms-musl", "forever",
                                name="randoms",
                                options=["--accel", self.options.accel,
                                         "--memory", 64])
        guest.wait_log("random ", 120)
        name_checkpoint(guest, LABEL)
        for number in range(self.options.starts + 1):
            each = start_from(guest, LABEL, f"randoms-{number}") \
                if number < self.options.starts else guest
            wait_for(lambda each=each: len(random_pairs(each)) >= 3, 120,
                     f"{each.name} prints")
            self.randoms.add(v for pair in random_pairs(each) for v in pair)
            self.daemon.ctl("rm", "--force", each.name)


class Factors:
    """A service in Python, and a library that it imports."""

    name, port = "python", factors.GUEST_PORT

    def __init__(self, daemon, options):
        self.daemon, self.options = daemon, options
        self.randoms = Randoms()
        self.original = 0       # port that leads to the first one
        self.imported = ""

    def load(self):
        self.original = free_port()
        guest = factors.run_factors(self.daemon, self.original, "--accel",
                                    self.options.accel, name=self.name)
        if factors.ask_factors(self.original) != factors.FACTORS:
            raise ValueError("the factors are wrong")
        return guest

    def _draw(self, port):
        """Return: what is known only to who imported the library."""
        drawn = factors.draw(port)
        self.randoms.add(drawn[kind] for kind in factors.DRAWN_ANEW)
        return drawn["imported"]

    def first_reply(self, port):
        reply = factors.ask_factors(port)

        def check():
            self.imported = self.imported or self._draw(self.original)
            return (reply != factors.FACTORS) + \
                (self._draw(port) != self.imported)
        return check

    def finish(self):
        """Nothing more to draw."""


def play(program, options):
    """Return: the line with the figures, whether all was well."""
    daemon, times, wrong = program.daemon, [], 0
    began = time.monotonic()
    guest = program.load()
    startup_ms = (time.monotonic() - began) * 1000
    began = time.monotonic()
    epoch = name_checkpoint(guest, LABEL)
    size = daemon.json("ls", guest.name)[0]["bytes"]
    say(f"ready after {startup_ms:.0f} ms; epoch {epoch} is "
        f"{guest.name}@{LABEL}: {size >> 20} MiB, written in "
        f"{(time.monotonic() - began) * 1000:.0f} ms")
    for number in range(1, options.starts + 1):
        name = f"{program.name}-{number}"
        began = time.monotonic()
        _, port = start_forwarded(guest, LABEL, name, program.port)
        started_ms = (time.monotonic() - began) * 1000
        check = program.first_reply(port)
        times.append((time.monotonic() - began) * 1000)
        bad = check()
        daemon.ctl("rm", "--force", name)
        wrong += bad
        say(f"start {number}/{options.starts}: first reply after "
            f"{times[-1]:.0f} ms, {started_ms:.0f} of them ckptctl's" +
            (f", {bad} replies wrong" if bad else ""))
    program.finish()
    daemon.ctl("rm", "--force", guest.name)
    say(f"{len(program.randoms.seen)} random numbers")
    same = program.randoms.same
    return (f"start: program={program.name} startup_ms={startup_ms:.0f} "
            f"named_p50_ms={statistics.median(times):.0f} same_random={same}",
            wrong == same == 0)


def run(options):
    """Return: the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    daemon = Daemon()
    try:
        daemon.start()
        results = []
        for kind in (Redis, Factors):
            say(f"{kind.name} starts; logs in {daemon.directory}")
            results.append(play(kind(daemon, options), options))
    finally:
        daemon.close(keep=options.keep)
    for line, _ in results:
        say(line)
    return 0 if all(well for _, well in results) else 1
