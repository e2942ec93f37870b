# SPDX-License-Identifier: GPL-2.0-or-later
"""What every functional test starts from: a ckptd of its own.

The tests are avocado's; what they do is in tests/harness, plain classes that
the demo and the benchmarks use too.
"""

import os
import random
import shutil
import sys

from avocado import Test

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))

# pylint: disable=wrong-import-position
from harness.daemon import (  # noqa: E402
    PROGRAMS, REDIS, Daemon, free_port)
from harness.hosts import Host, Network                 # noqa: E402
from harness.redis_load import RedisLoad                # noqa: E402
from harness.waiting import wait_for                    # noqa: E402

CLIENTS = "10.77.0.1"

__all__ = ["CLIENTS", "PROGRAMS", "REDIS", "BridgeTest", "RedisLoad",
           "SluiceTest", "free_port", "wait_for"]


class SluiceTest(Test):
    """setUp() starts ckptd; tearDown() leaves nothing but, after a failure,
    the daemon's directory (store, logs, trace) in avocado's outputdir."""

    timeout = 300

    def setUp(self):
        self.seed = int(self.params.get("seed", default=0)) or \
            random.SystemRandom().randrange(1, 1 << 30)
        self.log.info("seed %d (repeat with -p seed=%d)", self.seed, self.seed)
        self.random = random.Random(self.seed)
        self.daemon = self.make_daemon()
        self.daemon.start()

    def make_daemon(self):
        """The daemon of this test; overridden where it runs elsewhere."""
        return Daemon()

    def tearDown(self):
        failed = self.status in ("FAIL", "ERROR", "INTERRUPTED")
        try:
            self.doCleanups()   # which avocado does not
            self.daemon.close(keep=True)
        except BaseException:
            failed = True
            raise
        finally:
            if failed:
                kept = os.path.join(self.outputdir, "sluice")
                shutil.copytree(self.daemon.directory, kept, symlinks=True,
                                ignore=shutil.ignore_patterns("*.sock"))
                self.log.info("kept: %s", kept)
            shutil.rmtree(self.daemon.directory, ignore_errors=True)

    def guest_options(self, *more, verify=True):
        """Every test runs with the engine's self-check unless it says no."""
        accel = self.params.get("accel", default="auto")
        return [*(["--verify"] if verify else []), "--accel", accel, *more]

    def start_redis(self, *options, name="redis", memory_mib=64, verify=True):
        """Return: guest, port of the loopback that leads to it."""
        port = free_port()
        guest = self.daemon.run(
            *REDIS, name=name, ports=[(port, 6379)],
            options=self.guest_options("--memory", memory_mib, *options,
                                       verify=verify))
        guest.wait_log("Ready to accept connections", 120)
        return guest, port

    def check_load(self, load, timeout_s=120):
        """Nothing lost, nothing doubled, every connection kept."""
        result = load.finish(timeout_s)
        self.log.info("acknowledged=%d lost=%d duplicated=%d kept=%d",
                      result.acknowledged, result.lost, result.duplicated,
                      result.kept)
        for problem in result.problems:
            self.log.info("problem: %s", problem)
        self.assertGreater(result.acknowledged, 0)
        self.assertEqual((result.lost, result.duplicated, result.broken),
                         (0, 0, []))
        return result


class BridgeTest(SluiceTest):
    """Two hosts on an Ethernet, each a network namespace: `sluice`, with a
    bridge and self.daemon, and `clients`, at CLIENTS."""

    def make_daemon(self):
        self.network = Network()
        self.clients = Host(self.network, "clients", f"{CLIENTS}/24")
        self.sluice = Host(self.network, "sluice", "10.77.0.2/24",
                           bridge="br0")
        return self.sluice.daemon()

    def tearDown(self):
        try:
            super().tearDown()
        finally:
            self.network.close()
