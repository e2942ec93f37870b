# SPDX-License-Identifier: GPL-2.0-or-later
"""Named checkpoints: starts from them, rollbacks to them, and all that dies."""

import os
import signal

from base import (PROGRAMS, BridgeTest, RedisLoad, SluiceTest, free_port,
                  wait_for)
from harness.by_hand import ByHand
from harness.daemon import REDIS, CtlError, process_alive
from harness.names import (labels, name_checkpoint, random_pairs,
                           start_forwarded, start_from)
from harness.resp import Client, value_of

ORIGINAL, SECOND, THIRD = "10.77.0.9", "10.77.0.10", "10.77.0.11"
KEYS = 5000
MANY_KEYS = 60000            # writing a label of them takes its time


class NamesTest(SluiceTest):
    """redis with a data set, and a label of it."""

    def start_loaded(self, label="warm", keys=KEYS):
        guest, port = self.start_redis(verify=keys == KEYS)
        client = Client(("127.0.0.1", port))
        client.load(keys)
        name_checkpoint(guest, label)
        return guest, client

    def check_data(self, address, keys=KEYS):
        """The data set is there, whole; and it can be written to."""
        client = Client(address)
        self.assertEqual(client.ask("DBSIZE"), keys)
        for number in (0, keys // 2, keys - 1):
            self.assertEqual(client.ask("GET", f"key:{number}"),
                             value_of(number))
        self.assertEqual(client.ask("SET", "mine", address[1]), "OK")
        self.assertEqual(client.ask("GET", "mine"), b"%d" % address[1])
        client.ask("DEL", "mine")
        return client

    def no_residue(self, guest, *expected):
        """Nothing but whole labels, and one store, is in its directory."""
        home = self.daemon.state / "guests" / guest
        found = os.listdir(home / "labels") if (home / "labels").exists() \
            else []
        self.assertEqual(sorted(found), sorted(expected))
        self.assertEqual([p for p in os.listdir(home) if ".new" in p], [])


class Starts(NamesTest):
    """start --from"""

    def test_start_goes_on_where_the_checkpoint_was(self):
        """The data is the label's, whatever the original did since; the
        original and its clients notice nothing."""
        guest, client = self.start_loaded()
        client.ask("FLUSHALL")
        second, port = start_forwarded(guest, "warm", "second", 6379)
        self.check_data(("127.0.0.1", port))
        self.assertEqual(client.ask("DBSIZE"), 0)
        status = second.status()
        self.assertEqual(status["from"], "redis@warm")
        self.assertNotEqual(status["mac"], guest.status()["mac"])
        self.assertGreater(status["generation"], 1)

    def test_ports_by_default(self):
        """Without -p each port of the original gets one that is free."""
        guest, client = self.start_loaded()
        second = start_from(guest, "warm", "second")
        proto, address, port, inside = second.status()["ports"][0].split(":")
        self.assertEqual((proto, address, inside),
                         ("tcp", "127.0.0.1", "6379"))
        self.check_data((address, int(port)))
        self.assertEqual(client.ask("PING"), "PONG")

    def test_start_beside_a_dead_original(self):
        """A guest that is down has labels too; one that is gone leaves its
        forks what they need."""
        guest, _ = self.start_loaded()
        self.daemon.ctl("kill", guest.name)
        second, port = start_forwarded(guest, "warm", "second", 6379)
        self.daemon.ctl("rm", "--force", guest.name)
        client = self.check_data(("127.0.0.1", port))
        client.ask("SET", "after", "rm")
        second.kill_qemu()
        second.wait_recovered(1)
        self.assertEqual(client.ask("GET", "after"), b"rm")
        name_checkpoint(second, "own")
        third, port = start_forwarded(second, "own", "third", 6379)
        self.assertEqual(Client(("127.0.0.1", port)).ask("GET", "after"),
                         b"rm")
        self.assertEqual(third.status()["from"], "second@own")

    def test_fork_recovers_as_any_guest(self):
        """R1 holds in a new line: kills under load lose nothing."""
        guest, _ = self.start_loaded()
        second, port = start_forwarded(guest, "warm", "second", 6379)
        load = RedisLoad(port, seed=self.seed, connections=4)
        load.start(3600)
        for number in range(1, 6):
            load.wait_acknowledged(100)
            second.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        load.stop()
        self.check_load(load)

    def test_randoms_differ(self):
        """R2: no two reads of getrandom or /dev/urandom that begin after the
        start are alike, in any two starts; nor after a rollback."""
        guest = self.daemon.run(PROGRAMS / "randoms-musl", "forever",
                                name="randoms", options=self.guest_options())
        guest.wait_log("random ")
        name_checkpoint(guest, "here")
        forks = [start_from(guest, "here", f"fork{n}") for n in range(4)]
        self.daemon.ctl("rollback", "randoms@here")
        seen = set()
        for each in (*forks, guest):
            wait_for(lambda each=each: len(random_pairs(each)) >= 10, 60,
                     f"{each.name} prints")
            values = [value for pair in random_pairs(each) for value in pair]
            self.assertEqual(len(values), len(set(values)))
            self.assertFalse(seen & set(values), each.name)
            seen.update(values)

    def test_kill_right_after_the_start(self):
        """QEMU, or ckptd, or both die before the line has an epoch of its
        own, or just after: it begins again, and serves the label's data."""
        guest, _ = self.start_loaded()
        for number, victim in enumerate(("qemu", "ckptd", "both")):
            name = f"fork-{victim}"
            fork, port = start_forwarded(guest, "warm", name, 6379)
            fork.qemu_pid()
            if victim != "qemu":
                self.daemon.kill()
            if victim != "ckptd":
                os.kill(fork.last_pid, signal.SIGKILL)
            if victim != "qemu":
                self.daemon.start()
            self.check_data(("127.0.0.1", port)).close()
            fork.wait_state("running")
            self.assertEqual(fork.status()["from"], "redis@warm", number)

    def test_ckptd_dies_while_it_starts(self):
        """A start that nobody answered is finished by the next ckptd, or is
        not there; never half of it, and never a cold boot."""
        guest, _ = self.start_loaded()
        for delay_ms in (0, 5, 15, 40, 80):
            port = free_port()
            name = f"half{delay_ms}"
            asking = self.daemon.begin_ctl("start", "--from", "redis@warm",
                                           "-p", f"{port}:6379", name)
            home = self.daemon.state / "guests" / name
            if delay_ms:
                wait_for((home / "guest.conf").exists, 30, "it begins",
                         poll_s=delay_ms / 1000)
            self.daemon.kill()
            asking.communicate(timeout=30)
            self.daemon.start()
            if name not in [row["name"] for row in self.daemon.json("ps")]:
                continue
            self.no_residue(name)
            state = self.daemon.json("status", name)["state"]
            if state == "created":      # nothing of it ran
                self.daemon.ctl("recover", name)
            self.check_data(("127.0.0.1", port)).close()
            self.daemon.ctl("kill", name)

    def test_clear_errors(self):
        """What cannot be is refused with the reason, and leaves no guest."""
        guest, _ = self.start_loaded()
        port = guest.status()["ports"][0].split(":")[2]
        for words, reason in (
                (("start", "--from", "redis@cold", "x"), "no checkpoint cold"),
                (("start", "--from", "nobody@warm", "x"), "no guest nobody"),
                (("start", "--from", "redis@warm", "redis"), "already"),
                (("start", "--from", "redis@warm", "--net", "none", "x"),
                 "network"),
                (("start", "--from", "redis@warm", "-p", f"{port}:6379", "x"),
                 "network did not start"),
                (("rollback", "redis@cold"), "no checkpoint cold"),
                (("checkpoint", "--name", "warm", "redis"), "already"),
                (("checkpoint", "--name", "../x", "redis"), "letters"),
                (("rm", "redis@cold"), "no checkpoint cold"),
                (("rm", "redis"), "stop it first")):
            with self.assertRaises(CtlError) as caught:
                self.daemon.ctl(*words)
            self.assertIn(reason, caught.exception.text)
            self.assertEqual([row["name"] for row in self.daemon.json("ps")],
                             ["redis"])
        self.daemon.ctl("kill", "redis")
        with self.assertRaises(CtlError) as caught:
            self.daemon.ctl("rm", "redis")
        self.assertIn("warm", caught.exception.text)
        self.daemon.ctl("rm", "redis@warm")
        self.daemon.ctl("rm", "redis")

    def test_another_processor_is_refused(self):
        """The manifest of a checkpoint is not to be argued with."""
        guest, _ = self.start_loaded()
        self.daemon.ctl("kill", guest.name)
        other = self.daemon.directory / "qemu-other"
        real = self.daemon.build / "qemu" / "qemu-system-x86_64"
        other.write_text("#!/bin/sh\nfor w; do shift; "
                         "[ \"$w\" = max ] && w=qemu64; set -- \"$@\" \"$w\"; "
                         f"done\nexec {real} \"$@\"\n", encoding="ascii")
        other.chmod(0o755)
        self.daemon.process.terminate()
        self.daemon.process.wait(20)
        self.daemon.environment["SLUICE_QEMU"] = str(other)
        self.daemon.start()
        with self.assertRaises(CtlError) as caught:
            self.daemon.ctl("start", "--from", "redis@warm", "x")
        self.assertIn("CPU", caught.exception.text)
        wait_for(lambda: [row["name"] for row in self.daemon.json("ps")] ==
                 ["redis"], 20, "nothing of it stays")
        self.daemon.environment.pop("SLUICE_QEMU")


class Names(NamesTest):
    """checkpoint --name, ls, rm"""

    def test_labels_are_listed_and_removed(self):
        guest, client = self.start_loaded()
        client.ask("SET", "more", "x")
        epoch = name_checkpoint(guest, "later")
        self.assertEqual(labels(self.daemon), ["redis@later", "redis@warm"])
        row = [r for r in self.daemon.json("ls", "redis")
               if r["label"] == "later"][0]
        self.assertEqual(row["epoch"], epoch)
        self.assertGreater(row["bytes"], KEYS * 100)
        self.assertEqual(row["ram_bytes"], 64 << 20)
        self.assertEqual(row["damage"], "")
        self.assertIn("redis@later", self.daemon.ctl("ls"))
        self.daemon.ctl("rm", "redis@warm")
        self.assertEqual(labels(self.daemon, "redis"), ["redis@later"])
        self.no_residue("redis", "later")

    def test_naming_does_not_stop_the_guest(self):
        """Under load, labels one after the other: nothing is lost, and each
        holds what was acknowledged before it was asked for."""
        guest, port = self.start_redis()
        load = RedisLoad(port, seed=self.seed, connections=4)
        load.start(3600)
        client = Client(("127.0.0.1", port))
        for number in range(5):
            load.wait_acknowledged(100)
            client.ask("SET", "number", number)
            name_checkpoint(guest, f"label{number}")
        load.stop()
        self.check_load(load)
        for number in (0, 4):
            _, at = start_forwarded(guest, f"label{number}", f"f{number}",
                                    6379)
            self.assertEqual(Client(("127.0.0.1", at)).ask("GET", "number"),
                             b"%d" % number)

    def begin_to_name(self, guest, label):
        """`ckptctl checkpoint --name`, when writing has begun."""
        asking = self.daemon.begin_ctl("checkpoint", "--name", label,
                                       guest.name)
        home = self.daemon.state / "guests" / guest.name / "labels"
        wait_for(lambda: (home / f"+{label}").exists() or
                 (home / label).exists() or asking.poll() is not None,
                 60, "writing begins", poll_s=0.001)
        return asking

    def test_interrupted_naming_leaves_nothing(self):
        """Ctrl-C of ckptctl gives the label up."""
        guest, client = self.start_loaded(keys=MANY_KEYS)
        for number in range(5):
            asking = self.begin_to_name(guest, f"no{number}")
            asking.send_signal(signal.SIGINT)
            asking.communicate(timeout=60)
            # Either it was in time or the label was whole by then.
            wait_for(lambda: not [n for n in os.listdir(
                self.daemon.state / "guests" / "redis" / "labels")
                if n.startswith("+")], 60, "it is given up")
        self.assertEqual(client.ask("DBSIZE"), MANY_KEYS)
        name_checkpoint(guest, "yes")
        self.assertIn("redis@yes", labels(self.daemon))

    def test_qemu_dies_while_a_label_is_written(self):
        """The checkpoint is durable, so its label is finished."""
        guest, client = self.start_loaded(keys=MANY_KEYS)
        asking = self.begin_to_name(guest, "brave")
        guest.kill_qemu()
        _, said = asking.communicate(timeout=120)
        self.assertEqual(asking.returncode, 0, said)
        guest.wait_recovered(1)
        self.assertEqual(client.ask("DBSIZE"), MANY_KEYS)
        _, port = start_forwarded(guest, "brave", "second", 6379)
        self.check_data(("127.0.0.1", port), keys=MANY_KEYS)

    def test_ckptd_dies_while_a_label_is_written(self):
        """What has the name is whole; what has not is gone."""
        guest, client = self.start_loaded(keys=MANY_KEYS)
        asking = self.begin_to_name(guest, "half")
        self.daemon.kill()
        asking.communicate(timeout=60)
        self.daemon.start()
        guest.wait_state("running")
        found = labels(self.daemon)
        self.no_residue("redis", *(name.partition("@")[2] for name in found))
        self.assertEqual(client.ask("DBSIZE"), MANY_KEYS)
        for name in found:
            self.assertEqual(self.daemon.json("ls")[0]["damage"], "", name)
        name_checkpoint(guest, "again")

    def test_named_from_the_monitor(self):
        """QEMU's ckpt-name makes a label like any other."""
        guest, client = self.start_loaded()
        client.ask("SET", "from", "monitor")
        guest.qmp("ckpt-name", label="inside")
        wait_for(lambda: labels(self.daemon) ==
                 ["redis@inside", "redis@warm"], 60, "it is kept")
        _, port = start_forwarded(guest, "inside", "second", 6379)
        self.assertEqual(Client(("127.0.0.1", port)).ask("GET", "from"),
                         b"monitor")

    def test_external_guests_begin_no_others(self):
        """Their QEMU's command line is somebody else's."""
        guest = ByHand(self.daemon, PROGRAMS / "pause-forever-musl",
                       name="mine")
        guest.start()
        guest.wait_state("running")
        guest.wait_log("waiting")
        name_checkpoint(guest, "one")
        self.assertEqual(labels(self.daemon), ["mine@one"])
        with self.assertRaises(CtlError) as caught:
            self.daemon.ctl("start", "--from", "mine@one", "other")
        self.assertIn("somebody else", caught.exception.text)
        self.assertEqual(guest.status()["state"], "running")


class Rollbacks(NamesTest):
    """rollback"""

    def test_rollback_under_load(self):
        """The clients' connections end, the data is the label's, and new
        clients are served; nothing of the abandoned line comes back."""
        guest, client = self.start_loaded()
        client.ask("SET", "since", "then")
        load = RedisLoad(self.port_of(guest), seed=self.seed, connections=8)
        load.start(3600)
        load.wait_acknowledged(500)
        before = guest.status()["generation"]
        self.daemon.ctl("rollback", "redis@warm")
        status = guest.status()
        self.assertGreater(status["generation"], before)
        result = load.finish(60)
        self.assertEqual(len(result.broken), 8, result.broken)
        with self.assertRaises((ConnectionError, OSError)):
            client.ask("PING")
        fresh = self.check_data(("127.0.0.1", self.port_of(guest)))
        self.assertIsNone(fresh.ask("GET", "since"))
        self.no_residue("redis", "warm")
        guest.kill_qemu()
        guest.wait_recovered(1)
        self.assertEqual(fresh.ask("DBSIZE"), KEYS)

    @staticmethod
    def port_of(guest):
        return int(guest.status()["ports"][0].split(":")[2])

    def test_rollback_again_and_again(self):
        """Each ends at the label, also right after the last one."""
        guest, _ = self.start_loaded()
        for number in range(5):
            self.daemon.ctl("rollback", "redis@warm")
            if number % 2:
                Client(("127.0.0.1", self.port_of(guest))).ask(
                    "SET", "number", number)
        self.check_data(("127.0.0.1", self.port_of(guest)))

    def test_rollback_of_a_guest_that_is_down(self):
        """It is started; its program had ended in what is given up."""
        guest, client = self.start_loaded()
        client.ask("FLUSHALL")
        self.daemon.ctl("stop", guest.name)
        self.daemon.ctl("rollback", "redis@warm")
        client = self.check_data(("127.0.0.1", self.port_of(guest)))
        client.ask("SET", "after", "all")
        self.daemon.ctl("kill", guest.name)
        self.daemon.ctl("recover", guest.name)
        client = Client(("127.0.0.1", self.port_of(guest)))
        self.assertEqual(client.ask("GET", "after"), b"all")

    def test_qemu_dies_right_after_a_rollback(self):
        guest, _ = self.start_loaded()
        self.daemon.ctl("rollback", "redis@warm")
        guest.kill_qemu()
        guest.wait_recovered(1)
        self.check_data(("127.0.0.1", self.port_of(guest)))

    def ckptd_dies_in_a_rollback(self, guest, poll_ms):
        """How far it is by then depends on @poll_ms."""
        pid = guest.qemu_pid()
        home = self.daemon.state / "guests" / guest.name
        asking = self.daemon.begin_ctl("rollback", f"{guest.name}@warm")
        wait_for(lambda: not process_alive(pid) or
                 (home / "store.new").exists(), 30, "it begins",
                 poll_s=poll_ms / 1000)
        self.daemon.kill()
        asking.communicate(timeout=30)
        self.daemon.start()

    def test_ckptd_dies_in_a_rollback(self):
        """The guest comes back by itself, from the old store or the new."""
        guest, client = self.start_loaded()
        for poll_ms in (1, 2, 10, 30, 60):
            client = Client(("127.0.0.1", self.port_of(guest)))
            client.ask("SET", "since", poll_ms)
            self.ckptd_dies_in_a_rollback(guest, poll_ms)
            guest.wait_state("running")
            self.no_residue("redis", "warm")
            fresh = Client(("127.0.0.1", self.port_of(guest)))
            since = fresh.ask("GET", "since")
            self.assertIn(since, (None, b"%d" % poll_ms))
            self.assertEqual(fresh.ask("DBSIZE"), KEYS + (since is not None))
            fresh.close()
        self.daemon.ctl("rollback", "redis@warm")
        self.check_data(("127.0.0.1", self.port_of(guest)))

    def start_by_hand(self):
        """redis; its label "warm" knows that "at" is "label".  Return: it, a
        port that leads to it, a client."""
        port = free_port()
        guest = ByHand(self.daemon, *REDIS, name="mine",
                       ports=[(port, 6379)]).start()
        guest.wait_log("Ready to accept")
        client = Client(("127.0.0.1", port))
        client.ask("SET", "at", "label")
        name_checkpoint(guest, "warm")
        return guest, port, client

    def test_rollback_of_a_guest_by_hand(self):
        """Its QEMU is ended, and the same command line goes on from the label
        under the same addresses, whether it ran or not."""
        guest, port, client = self.start_by_hand()
        for running in (True, False):
            client.ask("SET", "at", "later")
            if not running:
                guest.kill_qemu()
                guest.wait_state("waiting")
            told = self.daemon.ctl("rollback", "mine@warm")
            self.assertIn("when its QEMU is started again", told)
            before = guest.wait_state("waiting")
            guest.start()
            after = guest.wait_state("running")
            self.assertGreater(after["generation"], before["generation"])
            self.assertEqual(after["recoveries"], 0)
            client = Client(("127.0.0.1", port))
            self.assertEqual(client.ask("GET", "at"), b"label")
        client.ask("SET", "since", "then")
        guest.kill_qemu()
        guest.start()
        guest.wait_recovered(1)
        self.assertEqual(client.ask("GET", "since"), b"then")

    def test_ckptd_dies_in_a_rollback_by_hand(self):
        """The same command line goes on from the old store or the new."""
        guest, port, client = self.start_by_hand()
        for poll_ms in (1, 2, 10, 30, 60):
            client.ask("SET", "at", "later")
            self.ckptd_dies_in_a_rollback(guest, poll_ms)
            guest.wait_state("waiting")
            guest.start()
            self.no_residue("mine", "warm")
            client = Client(("127.0.0.1", port))
            self.assertIn(client.ask("GET", "at"), (b"label", b"later"))

    def test_rollback_by_hand_to_what_is_damaged(self):
        """Nothing is changed, the guest has failed and says why; `recover` lets
        its QEMU go on from where it was."""
        guest = ByHand(self.daemon, PROGRAMS / "pause-forever-musl",
                       name="mine")
        guest.start()
        guest.wait_log("waiting")
        name_checkpoint(guest, "one")
        before = self.daemon.json("checkpoint", "mine")["epoch"]
        home = self.daemon.state / "guests" / "mine"
        os.unlink(home / "labels" / "one" / "image")
        with self.assertRaisesRegex(CtlError, "nothing was changed"):
            self.daemon.ctl("rollback", "mine@one")
        self.assertEqual(guest.wait_state("failed")["recoveries"], 0)
        self.no_residue("mine", "one")
        self.daemon.ctl("recover", "mine")
        guest.start()
        after = guest.wait_state("running")
        self.assertGreaterEqual(after["committed"], before)


class OnABridge(NamesTest, BridgeTest):
    """TAP: everybody sees everybody."""

    def start_on_tap(self):
        guest = self.daemon.run(
            *REDIS, name="redis",
            options=self.guest_options("--net", "tap,bridge=br0", "--ip",
                                       f"{ORIGINAL}/24", "--memory", "64"))
        guest.wait_log("Ready to accept connections", 120)
        return guest

    def client(self, address):
        return self.clients.call(lambda: Client((address, 6379)))

    def test_two_starts_beside_the_original(self):
        """Three on one bridge: each has its addresses and its data, and the
        original's connections live, under load all the time."""
        guest = self.start_on_tap()
        self.client(ORIGINAL).load(KEYS)
        load = RedisLoad(6379, host=ORIGINAL, on=self.clients, seed=self.seed,
                         connections=4)
        load.start(3600)
        load.wait_acknowledged(200)
        name_checkpoint(guest, "warm")
        load.wait_acknowledged(200)
        with self.assertRaises(CtlError) as caught:
            start_from(guest, "warm", "thief", "--ip", f"{ORIGINAL}/24")
        self.assertIn("redis has that address", caught.exception.text)
        for name, address in (("second", SECOND), ("third", THIRD)):
            start_from(guest, "warm", name, "--ip", f"{address}/24")
            client = self.client(address)
            self.assertEqual(client.ask("GET", "key:7"), value_of(7))
            self.assertGreater(client.ask("DBSIZE"), KEYS)
            client.ask("SET", "who", name)
        load.wait_acknowledged(200)
        self.assertIsNone(self.client(ORIGINAL).ask("GET", "who"))
        for name, address in (("second", SECOND), ("third", THIRD)):
            self.assertEqual(self.client(address).ask("GET", "who"),
                             name.encode())
        load.stop()
        self.check_load(load)
        macs = {row["mac"] for row in self.daemon.json("ps")}
        self.assertEqual(len(macs), 3)

    def test_rollback_resets_connections(self):
        """A client of the line that is given up is told so by a reset."""
        guest = self.start_on_tap()
        client = self.client(ORIGINAL)
        client.load(KEYS)
        name_checkpoint(guest, "warm")
        client.ask("SET", "since", "then")
        self.daemon.ctl("rollback", "redis@warm")
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1000):
                client.ask("GET", "since")
        fresh = self.client(ORIGINAL)
        self.assertIsNone(fresh.ask("GET", "since"))
        self.assertEqual(fresh.ask("DBSIZE"), KEYS)
