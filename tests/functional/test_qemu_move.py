# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own migration: a guest moves between two hosts and takes what its
gate holds along; never two that run it, and nothing lost."""

import os
import shutil

from base import PROGRAMS, REDIS, RedisLoad, SluiceTest, free_port, wait_for
from harness import qmp
from harness.by_hand import ByHand
from harness.qemu_move import GUEST, MovingGuest, Site

SLOW = 2 << 20      # bytes a second: pre-copy does not end by itself
PAUSE = [{"capability": "pause-before-switchover", "state": True}]


class MoveTest(SluiceTest):
    """Two hosts and a redis that can move; self.daemon is that of the first."""

    timeout = 300

    def make_daemon(self):
        self.site = Site()
        self.site.daemons[1].start()
        return self.site.daemons[0]

    def tearDown(self):
        try:
            if self.status in ("FAIL", "ERROR", "INTERRUPTED"):
                shutil.copytree(self.site.daemons[1].directory,
                                os.path.join(self.outputdir, "beta"),
                                symlinks=True,
                                ignore=shutil.ignore_patterns("*.sock"))
            super().tearDown()
        finally:
            self.site.close()

    def start_redis(self, **keywords):
        guest = MovingGuest(self.site, *REDIS, **keywords).start()
        guest.source.wait_log("Ready to accept connections", 120)
        return guest

    def start_load(self, **keywords):
        load = RedisLoad(6379, host=GUEST, on=self.site.clients,
                         seed=self.seed, **keywords)
        load.start(3600)
        return load


class Move(MoveTest):
    """There, and back again."""

    def test_moves_under_load(self):
        """Redis under load goes to the other host and back: nothing lost,
        nothing doubled, every connection kept."""
        guest = self.start_redis()
        load = self.start_load(connections=8)
        for _ in range(2):
            load.wait_acknowledged(200)
            guest.move()
            load.mark()
            self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.source.status()["generation"], 3)


class Faults(MoveTest):
    """In every phase either side's QEMU or ckptd dies: one of the two has the
    guest afterwards, with all connections, and the other knows that it has
    not."""

    timeout = 600

    def set_up_load(self):
        self.guest = self.start_redis()
        self.load = self.start_load(connections=4)

    def answers(self):
        """The guest runs where we think it does: clients get answers."""
        self.load.mark()
        self.assertTrue(self.load.wait_recovered(60))
        self.load.wait_acknowledged(50)

    def finish(self):
        self.load.stop()
        self.check_load(self.load)

    def each_fault(self, begin, faults):
        """begin() brings a migration to its phase, a fault ends it."""
        self.set_up_load()
        for fault in faults:
            self.log.info("fault: %s", fault.__name__)
            begin()
            fault()
            self.answers()
        self.finish()

    # --- phases ---

    def in_precopy(self):
        self.guest.expect()
        with qmp.Monitor(self.guest.source.qmp_socket()) as monitor:
            monitor.command("migrate-set-parameters", **{"max-bandwidth": SLOW})
            self.guest.send(monitor)
            wait_for(lambda: monitor.command("query-migrate")["status"]
                     == "active", 60, "pre-copy")

    def before_switchover(self):
        """The vCPU stands still, nothing is out that the guest needs."""
        self.guest.expect()
        with qmp.Monitor(self.guest.source.qmp_socket()) as monitor:
            monitor.command("migrate-set-capabilities", capabilities=PAUSE)
            self.guest.send(monitor)
            wait_for(lambda: monitor.command("query-migrate")["status"]
                     == "pre-switchover", 60, "the switch-over")

    def all_sent(self):
        """The target has everything and waits for a word to run it."""
        self.guest.expect("-S")
        with qmp.Monitor(self.guest.source.qmp_socket()) as monitor:
            self.guest.send(monitor)
            wait_for(lambda: monitor.command("query-migrate")["status"]
                     == "completed", 60, "all to be sent")
        self.guest.source.wait_state("leaving")

    # --- who dies ---

    def end_target(self):
        """The target's QEMU is gone and has left nothing."""
        self.guest.target.process.wait(60)
        status = self.guest.target.wait_status(
            lambda s: s["state"] in ("waiting", "moved"), 60, "waits again")
        self.assertFalse(status["connected"])

    def go_on(self):
        """A migration that was slow, or waits for a word, does the rest."""
        with qmp.Monitor(self.guest.source.qmp_socket()) as monitor:
            monitor.command("migrate-set-parameters", **{"max-bandwidth": 0})
            if monitor.command("query-migrate")["status"] == "pre-switchover":
                monitor.command("migrate-continue", state="pre-switchover")
        return self.guest.wait_sent()

    def target_qemu(self):
        self.guest.target.process.kill()
        self.end_target()
        self.assertEqual(self.go_on(), "failed")
        self.guest.source.wait_state("running")

    def target_ckptd(self):
        self.guest.target.daemon.kill()
        self.guest.target.process.wait(60)
        self.guest.target.daemon.start()
        self.end_target()
        self.assertEqual(self.go_on(), "failed")
        self.guest.source.wait_state("running")

    def source_qemu(self):
        self.guest.source.process.kill()
        self.guest.source.process.wait(60)
        self.end_target()
        self.guest.source.wait_state("waiting")
        self.guest.source.start()

    def source_ckptd(self):
        """It comes back, and the migration goes on."""
        self.guest.source.daemon.kill()
        self.guest.source.daemon.start()
        self.guest.source.wait_state("running")
        self.assertEqual(self.go_on(), "completed")
        self.guest.leave()

    def cancel(self):
        self.guest.source.qmp("migrate_cancel")
        self.end_target()
        self.guest.source.wait_state("running")

    def test_one_dies_in_precopy(self):
        """The guest stays, and has lost nothing."""
        self.each_fault(self.in_precopy, [
            self.cancel, self.target_qemu, self.target_ckptd,
            self.source_qemu, self.source_ckptd])

    def test_one_dies_before_the_switchover(self):
        """The same, with the vCPU standing still."""
        self.each_fault(self.before_switchover, [
            self.cancel, self.target_qemu, self.target_ckptd,
            self.source_qemu, self.source_ckptd])

    # --- what was sent may run elsewhere ---

    def source_is_unsure(self):
        """It neither runs nor recovers, and says how to decide."""
        self.guest.source.qmp("cont")
        wait_for(lambda: not self.guest.source.qmp("query-status")["running"],
                 60, "the guest to stand still")
        status = self.guest.source.status()
        self.assertEqual(status["state"], "leaving")
        self.assertIn("ckptctl reclaim", status["reason"])

    def source_is_killed_and_refused(self):
        self.guest.source.process.kill()
        self.guest.source.process.wait(60)
        self.guest.source.wait_state("moved")
        self.guest.source.process = self.guest.source.popen()
        self.assertEqual(self.guest.source.wait_exit(), 1)
        self.assertIn("has been sent to another QEMU",
                      self.guest.source.errors())
        self.guest.source.wait_state("moved")

    def reclaimed_alive(self):
        self.guest.target.process.kill()
        self.end_target()
        self.source_is_unsure()
        self.guest.source.daemon.ctl("reclaim", self.guest.name)
        self.guest.source.wait_state("running")

    def reclaimed_dead(self):
        self.guest.target.process.kill()
        self.end_target()
        self.source_is_killed_and_refused()
        self.guest.source.daemon.ctl("reclaim", self.guest.name)
        self.guest.source.start()

    def reclaimed_after_ckptd_died_there(self):
        self.guest.target.daemon.kill()
        self.guest.target.process.wait(60)
        self.guest.target.daemon.start()
        self.end_target()
        self.guest.source.daemon.ctl("reclaim", self.guest.name)
        self.guest.source.wait_state("running")

    def source_dies_and_the_target_runs(self):
        self.source_is_killed_and_refused()
        self.guest.target.qmp("cont")
        self.guest.target.wait_state("running")
        self.guest.here = 1 - self.guest.here

    def source_ckptd_dies_and_the_target_runs(self):
        self.guest.source.daemon.kill()
        self.guest.source.daemon.start()
        self.guest.source.wait_state("leaving")
        self.guest.let_run()

    def target_dies_when_it_runs(self):
        self.guest.let_run()
        self.guest.source.crash_and_start()

    def test_one_dies_when_all_is_sent(self):
        """Who cannot know waits, who knows runs it."""
        self.each_fault(self.all_sent, [
            self.reclaimed_alive, self.reclaimed_dead,
            self.reclaimed_after_ckptd_died_there,
            self.source_dies_and_the_target_runs,
            self.source_ckptd_dies_and_the_target_runs,
            self.target_dies_when_it_runs])


class Files(MoveTest):
    """A migration into a file, and out of it."""

    def load_state(self, guest, path):
        guest.source.process = guest.source.popen(
            ("-incoming", f"exec:cat {path}"))

    def test_state_is_good_once(self):
        """Saved, loaded, and the clients notice no more than a pause; loaded
        again when the guest has gone on, it is refused."""
        guest = self.start_redis()
        load = self.start_load(connections=4)
        load.wait_acknowledged(100)
        path = guest.source.directory / "state"
        guest.source.qmp("migrate", uri=f"exec:cat>{path}")
        self.assertEqual(guest.wait_sent(), "completed")
        load.mark()
        guest.source.qmp("quit")
        guest.source.wait_exit()
        guest.source.wait_state("moved")
        self.load_state(guest, path)
        guest.source.wait_state("running")
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

        other = guest.source.directory / "again"
        guest.source.qmp("migrate", uri=f"exec:cat>{other}")
        self.assertEqual(guest.wait_sent(), "completed")
        guest.source.qmp("quit")
        guest.source.wait_exit()
        guest.source.wait_state("moved")
        self.load_state(guest, path)
        self.assertEqual(guest.source.wait_exit(), 1)
        self.assertIn("has gone on", self.daemon.log.read_text())
        guest.source.wait_state("moved")


class Refused(SluiceTest):
    """What stays where it is, with the reason."""

    def test_user_mode_networking(self):
        guest = ByHand(self.daemon, PROGRAMS / "pause-forever-musl",
                       ports=[(free_port(), 7)]).start()
        with self.assertRaisesRegex(RuntimeError, "user-mode networking"):
            guest.qmp("migrate", uri="exec:cat>/dev/null")
        guest.wait_state("running")

    def test_guest_that_ckptd_has_started(self):
        guest = self.daemon.run(PROGRAMS / "pause-forever-musl",
                                options=self.guest_options())
        guest.wait_state("running")
        with self.assertRaisesRegex(RuntimeError, "ckptctl migrate"):
            guest.qmp("migrate", uri="exec:cat>/dev/null")
        guest.wait_state("running")

    def test_guest_that_is_here_already(self):
        """-incoming does not put another guest in its place."""
        guest = ByHand(self.daemon, PROGRAMS / "pause-forever-musl",
                       net=None).start()
        guest.wait_status(lambda s: s["committed"] > 0, 60, "a checkpoint")
        guest.qmp("quit")
        guest.wait_exit()
        guest.wait_state("waiting")
        guest.process = guest.popen(("-incoming", "defer"))
        self.assertEqual(guest.wait_exit(), 1)
        self.assertIn("another one cannot come in its place", guest.errors())
        guest.start()
