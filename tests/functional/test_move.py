# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests move between hosts while their clients work with them.

The hosts are network namespaces on one Ethernet, each with a ckptd and a store
of its own.
"""

import itertools
import os
import shutil
import signal
import subprocess

from base import REDIS, SluiceTest, wait_for
from harness.daemon import CtlError
from harness.movers import (Faults, Gaps, Movers, TwoNetworks, owners,
                            percentile)
from harness.redis_load import RedisLoad

ADDRESS = "10.77.0.9"
NAME = "redis"

# Where the side that gives may stop, and the side that takes.
GIVES = ("connected", "accepted", "copied", "freeze", "frozen", "sealed",
         "given", "gave", "told", "ended", "gone")
TAKES = ("offered", "launched", "synced", "last", "ready", "taking", "taken",
         "went")
FAULTS = ("own-ckptd", "other-ckptd", "own-qemu", "other-qemu", "link", "all")


class MoveTest(SluiceTest):
    """self.movers: hosts east, west (and north) that are paired."""

    timeout = 1200
    names = ("east", "west")

    def make_movers(self):
        return Movers(self.names)

    def make_daemon(self):
        self.movers = self.make_movers()
        return self.movers.daemons["east"]

    def setUp(self):
        super().setUp()
        for name in self.names[1:]:
            self.movers.daemons[name].start()
        self.movers.pair_all()

    def tearDown(self):
        failed = self.status in ("FAIL", "ERROR", "INTERRUPTED")
        try:
            super().tearDown()
        finally:
            self.movers.close(keep=failed)
            for name, daemon in self.movers.daemons.items():
                if failed and daemon is not self.daemon:
                    shutil.move(daemon.directory,
                                os.path.join(self.outputdir, name))

    def start_redis_on(self, host="east", *more, net="tap,bridge=br0",
                       verify=True, memory_mib=64):
        guest = self.movers.daemons[host].run(
            *REDIS, name=NAME,
            options=self.guest_options("--net", net, "--ip", f"{ADDRESS}/24",
                                       "--memory", memory_mib, *more,
                                       verify=verify))
        guest.wait_log("Ready to accept connections", 120)
        return guest

    def start_load(self, **keywords):
        keywords = {"on": self.movers.clients, **keywords}
        load = RedisLoad(6379, host=ADDRESS, seed=self.seed, **keywords)
        load.start(3600)
        load.wait_acknowledged(20)
        return load

    def check_history(self, load):
        """The clients' history is whole, and never had two hosts the guest."""
        load.stop()
        self.check_load(load)
        found = owners(self.movers, NAME)
        self.log.info("owners: %s", found)
        return found

    def start_move(self, source, target, *options):
        """`ckptctl migrate` in the background."""
        daemon = self.movers.daemons[source]
        # pylint: disable=protected-access
        return subprocess.Popen(
            daemon._command("ckptctl", "--no-autostart", "migrate", *options,
                            NAME, target),
            env=daemon.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def verify_store(self, host):
        """What `ckptctl verify` says of the guest's store, stopped."""
        daemon = self.movers.daemons[host]
        daemon.ctl("kill", NAME)
        daemon.ctl("verify", NAME)


class Move(MoveTest):
    """What a planned move keeps, and what cannot move."""

    def test_moves_keep_connections(self):
        """Moves to and fro under load: nothing acknowledged is lost, nothing
        done twice, every connection lives; nothing stays behind."""
        moves = int(self.params.get("moves", default=20))
        self.start_redis_on()
        load = self.start_load(connections=16)
        gaps, stood = Gaps(load), []
        route = itertools.cycle([("east", "west"), ("west", "east")])
        for number in range(moves):
            source, target = next(route)
            load.wait_acknowledged(50)
            gaps.begin()
            told = self.movers.move(NAME, source, target)
            gaps.end()
            stood.append(told["downtime_us"] / 1000)
            self.assertEqual(list(self.movers.places(NAME)), [target],
                             f"move {number}")
        self.log.info("stood still: p50 %.1f ms, max %.1f ms; clients saw: "
                      "p50 %.1f ms, max %.1f ms", percentile(stood, 50),
                      max(stood), percentile(gaps.times, 50), max(gaps.times))
        found = self.check_history(load)
        self.assertEqual(len(found), moves + 1)
        where = self.movers.wait_one(NAME)
        self.verify_store(where)
        for host, daemon in self.movers.daemons.items():
            left = [] if host == where else os.listdir(daemon.state / "guests")
            self.assertEqual(left if host != where else [], [])
            self.assertEqual(os.listdir(daemon.state / "moves"), [])

    def test_log_and_history_move_along(self):
        """What the program wrote, and the guest's counters, are on the other
        host; a crash while it was copied is among them."""
        guest = self.start_redis_on()
        load = self.start_load(connections=1)
        load.wait_acknowledged(20)
        guest.kill_qemu()
        guest.wait_recovered(1)
        move = self.start_move("east", "west", "--bandwidth", "4M")
        guest.wait_status(lambda s: s.get("move_phase") == "copying", 60,
                          "copying")
        guest.kill_qemu()
        guest.wait_recovered(2)
        before = guest.status()
        logs = guest.logs()
        text, _ = move.communicate(timeout=120)
        self.assertEqual(move.returncode, 0, text)
        guest = self.movers.guest(NAME, on="west")
        after = guest.wait_recovered(2)
        self.assertEqual(guest.logs(), logs)
        for key in ("created", "uuid", "mac", "cpu", "qemu_version"):
            self.assertEqual(after[key], before[key], key)
        self.assertEqual(after["generation"], before["generation"] + 1)
        self.assertGreaterEqual(after["committed"], before["committed"])
        self.check_history(load)

    def test_crash_after_a_move_recovers_there(self):
        """The store that came in is as good as one made there."""
        self.start_redis_on()
        load = self.start_load(connections=4)
        self.movers.move(NAME, "east", "west")
        guest = self.movers.guest(NAME, on="west")
        guest.kill_qemu(load)
        self.assertTrue(load.wait_recovered(60))
        self.movers.daemons["west"].kill()
        guest.daemon = self.movers.daemons["west"]
        self.movers.daemons["west"].start()
        guest.wait_state("running")
        guest.kill_qemu(load)
        self.assertTrue(load.wait_recovered(60))
        self.check_history(load)
        self.verify_store("west")

    def test_what_cannot_move_says_why(self):
        """User-mode networking, a host that has no such bridge or another
        QEMU, a name that is taken: refused with the reason, and the guest
        runs on as if nothing had been."""
        east, west = (self.movers.daemons[name] for name in ("east", "west"))
        east.run(*REDIS, name="slirp",
                 options=["--memory", "64"])
        with self.assertRaisesRegex(CtlError, "user-mode networking"):
            east.ctl("migrate", "slirp", "west")
        with self.assertRaisesRegex(CtlError, "there is no host nowhere"):
            east.ctl("migrate", "slirp", "nowhere")
        guest = self.start_redis_on()
        load = self.start_load(connections=2)
        east.ctl("checkpoint", "--name", "kept", NAME)
        with self.assertRaisesRegex(CtlError, "named checkpoints"):
            east.ctl("migrate", NAME, "west")
        east.ctl("rm", f"{NAME}@kept")
        self.movers.hosts["west"].ip("link", "set", "br0", "name", "br1")
        with self.assertRaisesRegex(CtlError, "no such bridge"):
            east.ctl("migrate", NAME, "west")
        self.movers.hosts["west"].ip("link", "set", "br1", "name", "br0")
        west.run(*REDIS, name=NAME,
                 options=["--net", "none", "--memory", "64"])
        with self.assertRaisesRegex(CtlError, f"a guest {NAME} already"):
            east.ctl("migrate", NAME, "west")
        west.ctl("rm", "--force", NAME)
        west.kill()
        other = west.directory / "other-qemu"
        other.write_text("#!/bin/sh\nexec "
                         f"{east.build}/qemu/qemu-system-x86_64 \"$@\" "
                         "-cpu qemu64\n")
        other.chmod(0o755)
        west.environment["SLUICE_QEMU"] = str(other)
        west.start()
        with self.assertRaisesRegex(CtlError, "CPU"):
            east.ctl("migrate", NAME, "west")
        self.assertEqual(west.json("ps"), [])
        self.assertEqual(os.listdir(west.state / "moves"), [])
        self.assertEqual(guest.status()["recoveries"], 0)
        load.stop()
        self.check_load(load)

    def test_cancelled_while_it_copies(self):
        """^C and `migrate --cancel`: the guest stays, runs, and can move
        later."""
        guest = self.start_redis_on()
        load = self.start_load(connections=2)
        for cancel in ("interrupt", "verb"):
            move = self.start_move("east", "west", "--bandwidth", "2M")
            guest.wait_status(lambda s: s.get("move_phase") == "copying", 60,
                              "copying")
            if cancel == "interrupt":
                move.send_signal(signal.SIGINT)
            else:
                guest.daemon.ctl("migrate", "--cancel", NAME)
            text, _ = move.communicate(timeout=60)
            self.assertIn("cancelled", text)
            self.assertEqual(move.returncode, 1)
            wait_for(lambda: list(self.movers.places(NAME)) == ["east"], 60,
                     "nothing of it on the other host")
        self.assertEqual(guest.status()["recoveries"], 0)
        self.movers.move(NAME, "east", "west")
        self.check_history(load)

    def test_bandwidth_is_kept(self):
        """--bandwidth bounds what goes over while the guest runs, and status
        tells how it goes."""
        guest = self.start_redis_on()
        move = self.start_move("east", "west", "--bandwidth", "1M")
        status = guest.wait_status(
            lambda s: s.get("move_phase") == "copying"
            and s["move_total_bytes"] and s["move_sent_bytes"] > 1 << 20,
            60, "a MiB")
        self.assertLess(status["move_sent_bytes"] / status["move_ms"] * 1000,
                        1.5 * (1 << 20))
        self.assertEqual(status["move_to"], "west")
        self.assertGreater(status["move_total_bytes"], 1 << 20)
        guest.daemon.ctl("migrate", "--cancel", NAME)
        move.communicate(timeout=60)


class Pairs(MoveTest):
    """Who is let in."""

    names = ("east", "west", "north")

    def test_three_hosts(self):
        """From each of three hosts to the next, twice around."""
        self.start_redis_on()
        load = self.start_load(connections=4)
        for source, target in zip(("east", "west", "north") * 2,
                                  ("west", "north", "east") * 2):
            load.wait_acknowledged(20)
            self.movers.move(NAME, source, target)
        self.assertEqual(len(self.check_history(load)), 7)

    def test_hosts_tell_who_is_reachable(self):
        """`ckptctl hosts`: a host that is up, one that is unplugged."""
        east = self.movers.daemons["east"]
        self.movers.unplug("north")
        found = {host["name"]: host for host in east.json("hosts")}
        self.assertEqual(set(found), {"west", "north"})
        self.assertTrue(found["west"]["reachable"])
        self.assertFalse(found["north"]["reachable"])
        self.assertTrue(found["north"]["reason"])

    def test_an_invitation_is_good_once(self):
        """A token that was used, a secret that was made up, a certificate
        that is another one: nobody is let in."""
        east, west = (self.movers.daemons[name] for name in ("east", "west"))
        token = east.ctl("host", "invite").strip()
        west.ctl("host", "rm", "east")
        west.ctl("host", "add", "--as", "west", "east", token)
        with self.assertRaisesRegex(CtlError, "invitation is used"):
            west.ctl("host", "add", "--as", "west", "again", token)
        address, print_, secret = token.split("/")
        made_up = f"{address}/{print_}/{'0' * len(secret)}"
        with self.assertRaisesRegex(CtlError, "none of this host"):
            west.ctl("host", "add", "--as", "west", "again", made_up)
        other = f"{address}/{'0' * 64}/{secret}"
        with self.assertRaisesRegex(CtlError, "TLS"):
            west.ctl("host", "add", "--as", "west", "again", other)

    def test_a_host_that_was_forgotten_is_not_let_in(self):
        """`host rm`: what it offers is refused, with the reason."""
        self.start_redis_on()
        self.movers.daemons["west"].ctl("host", "rm", "east")
        with self.assertRaisesRegex(CtlError, "not paired"):
            self.movers.move(NAME, "east", "west")
        key = self.movers.daemons["west"].state / "hosts" / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)


class Forward(MoveTest):
    """To a host on another network, behind a router."""

    def make_movers(self):
        return TwoNetworks()

    def test_connections_are_kept_across_networks(self):
        """The guest moves to the other network and home again; its clients on
        its own Ethernet and behind the router keep their connections, and no
        interface stays behind."""
        before = {name: host.links()
                  for name, host in self.movers.hosts.items()}
        east, west = (self.movers.daemons[name] for name in ("east", "west"))
        self.start_redis_on("east", "--gateway", "10.77.0.254")
        loads = [self.start_load(connections=4),
                 self.start_load(connections=4, on=self.movers.far,
                                 prefix="far")]
        with self.assertRaisesRegex(CtlError, "no such bridge"):
            self.movers.move(NAME, "east", "west")
        self.movers.move(NAME, "east", "west", "--forward")
        for load in loads:
            load.wait_acknowledged(100)
        self.assertEqual([f["guest"] for f in east.json("forward", "ls")
                          if f["away"]], [NAME])
        with self.assertRaisesRegex(CtlError, "reaches its Ethernet by it"):
            west.ctl("forward", "rm", NAME)
        guest = self.movers.guest(NAME, on="west")
        guest.kill_qemu(loads[0])
        self.assertTrue(loads[0].wait_recovered(60))
        self.movers.move(NAME, "west", "east")
        for load in loads:
            load.wait_acknowledged(100)
            load.stop()
            self.check_load(load)
        for daemon in (east, west):
            self.assertEqual(daemon.json("forward", "ls"), [])
        owners(self.movers, NAME)
        east.ctl("kill", NAME)
        for name, host in self.movers.hosts.items():
            self.assertEqual(host.links(), before[name], name)

    def test_forwarding_ends_when_told(self):
        """`forward rm` on the old host: its neighbours reach the guest no
        more."""
        self.start_redis_on("east", "--gateway", "10.77.0.254")
        load = self.start_load(connections=1, reply_timeout_s=5)
        self.movers.move(NAME, "east", "west", "--forward")
        load.wait_acknowledged(20)
        self.movers.daemons["east"].ctl("forward", "rm", NAME)
        wait_for(lambda: load.result.broken, 60, "no answer any more")
        self.assertEqual(self.movers.wait_one(NAME), "west")


class Cut(MoveTest):
    """Something dies at each step of a move."""

    timeout = 3600

    def cases(self):
        """Each step with one fault, all of them with -p faults=all."""
        steps = [("gives", step) for step in GIVES] + \
            [("takes", step) for step in TAKES]
        if self.params.get("faults", default="some") == "all":
            return list(itertools.product(steps, FAULTS))
        return [(step, FAULTS[(number + self.seed) % len(FAULTS)])
                for number, step in enumerate(steps)]

    def hit(self, faults, fault, own, other):
        """What is to happen while the ckptd of @own stands still."""
        daemons = self.movers.daemons
        if fault in ("own-qemu", "all"):
            faults.kill_qemu(own)
        if fault in ("other-qemu", "all"):
            faults.kill_qemu(other)
        if fault in ("other-ckptd", "all"):
            daemons[other].kill()
        if fault in ("own-ckptd", "all"):
            daemons[own].kill()
        if fault == "link":
            self.movers.unplug(other)

    def test_cut_at_each_step(self):
        """Either side's ckptd or QEMU, the link or everything dies, at each
        step: never two run it or release; exactly one does when all parts are
        back; its store is whole and its clients' history too."""
        self.start_redis_on(verify=False)
        load = self.start_load(connections=4, pipeline=4)
        faults = Faults(self.movers, NAME)
        for (side, step), fault in self.cases():
            source = self.movers.wait_one(NAME)
            target = "west" if source == "east" else "east"
            own, other = (source, target) if side == "gives" else \
                (target, source)
            self.log.info("%s stops at %s: %s", side, step, fault)
            faults.arm(own, step)
            move = self.start_move(source, target)
            faults.wait_stopped(own)
            self.hit(faults, fault, own, other)
            faults.resume(own)
            if fault == "link":
                self.movers.wait_calm()
            faults.mend()
            move.communicate(timeout=120)
            where = self.movers.wait_one(NAME)
            owners(self.movers, NAME)
            load.mark()
            self.assertTrue(load.wait_recovered(120), f"{step}: {fault}")
            self.log.info("%s stops at %s: %s: on %s", side, step, fault,
                          where)
        self.check_history(load)
        self.verify_store(self.movers.wait_one(NAME))

    def test_a_guest_that_came_home_is_not_taken_for_gone(self):
        """The ledger of its first move could not be forgotten by the other
        host; it moves home, and ckptd there starts anew: it stays."""
        self.start_redis_on(verify=False)
        load = self.start_load(connections=2)
        faults = Faults(self.movers, NAME)
        faults.arm("east", "gone")
        move = self.start_move("east", "west")
        faults.wait_stopped("east")
        self.movers.daemons["west"].kill()
        faults.resume("east")
        move.communicate(timeout=60)
        faults.mend()
        self.assertEqual(self.movers.wait_one(NAME), "west")
        self.movers.move(NAME, "west", "east")
        east = self.movers.daemons["east"]
        self.assertTrue(os.listdir(east.state / "moves"))
        east.kill()
        east.start()
        self.assertEqual(self.movers.wait_one(NAME), "east")
        wait_for(lambda: not os.listdir(east.state / "moves"), 60,
                 "the other host forgets it now")
        self.check_history(load)

    def test_operator_decides(self):
        """The link is cut after GIVE and before the answer: the source waits
        and says for what; `--resolve` is the way out."""
        guest = self.start_redis_on(verify=False)
        faults = Faults(self.movers, NAME)
        faults.arm("east", "given")
        move = self.start_move("east", "west")
        faults.wait_stopped("east")
        self.movers.daemons["west"].kill()
        faults.resume("east")
        status = guest.wait_status(lambda s: s.get("move_waits"), 60,
                                   "it waits")
        self.assertEqual(status["state"], "given")
        self.assertIn("waits for west", status["move_waits"])
        for verb in ("recover", "stop", "kill", "checkpoint"):
            with self.assertRaises(CtlError):
                guest.daemon.ctl(verb, NAME)
        with self.assertRaisesRegex(CtlError, "too late"):
            guest.daemon.ctl("migrate", "--cancel", NAME)
        with self.assertRaisesRegex(CtlError, "has not said"):
            guest.daemon.ctl("host", "rm", "west")
        guest.daemon.kill()
        guest.daemon.environment.pop("SLUICE_STOP_AT")
        guest.daemon.start()
        guest.wait_status(lambda s: s["state"] == "given"
                          and s.get("move_waits"), 60, "it still waits")
        guest.daemon.ctl("migrate", "--resolve", "keep", NAME)
        guest.wait_state("running")
        move.communicate(timeout=60)
        self.movers.daemons["west"].start()
        self.assertEqual(self.movers.wait_one(NAME), "east")
