# SPDX-License-Identifier: GPL-2.0-or-later
"""A kill between any two steps of a checkpoint loses and doubles nothing."""

from base import RedisLoad, SluiceTest
from harness.stopper import kill_inside

# phase -> whose process dies, in which function, after how many calls of it
PHASES = {
    "capture": ("qemu", "ckpt_ram_copy", 3),
    "submit": ("qemu", "ckpt_engine_submit", 3),
    "writing": ("ckptd", "ckptd_store_append", 3),
    "durable": ("qemu", "ckpt_engine_is_durable", 3),
    "release": ("qemu", "ckpt_gate_commit", 3),
    "mid-release": ("qemu", "qemu_send_packet_async", 5),
}
KILLS_EACH = 3


class Phases(SluiceTest):
    """Redis under load, each kill aimed by a breakpoint."""

    timeout = 600

    def kill_in_phase(self, guest, phase):
        whose, function, skip = PHASES[phase]
        skip += self.random.randrange(4)
        if whose == "qemu":
            kill_inside(guest.qemu_pid(), function, skip)
        else:
            kill_inside(self.daemon.process.pid, function, skip)
            self.daemon.process.wait()
            self.daemon.start()

    def test_kill_in_each_phase(self):
        guest, port = self.start_redis()
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        for phase in list(PHASES) * KILLS_EACH:
            self.log.info("phase %s", phase)
            self.kill_in_phase(guest, phase)
            load.mark()
            self.assertTrue(load.wait_recovered(60), phase)
        load.stop()
        self.check_load(load)
        of_qemu = sum(whose == "qemu" for whose, _, _ in PHASES.values())
        self.assertEqual(guest.status()["recoveries"], of_qemu * KILLS_EACH)

    def test_qemu_killed_while_ckptd_writes(self):
        """QEMU dies while its epoch is on the way to the disk."""
        guest, port = self.start_redis()
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        for number in range(1, KILLS_EACH + 1):
            guest.wait_state("running")
            kill_inside(self.daemon.process.pid, "ckptd_store_append",
                        self.random.randrange(8),
                        while_stopped=guest.kill_qemu_now)
            self.daemon.process.wait()
            self.daemon.start()
            load.mark()
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        load.stop()
        self.check_load(load)
