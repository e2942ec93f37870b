# SPDX-License-Identifier: GPL-2.0-or-later
"""virsh migrate --live: a domain moves between two real libvirtds."""

import os
import signal
import unittest

from base import REDIS, RedisLoad, SluiceTest, wait_for
from harness import libvirt
from harness.qemu_move import GUEST
from harness.virsh_move import WAYS, VirshGuest, VirshSite


@unittest.skipUnless(libvirt.installed(), "needs root, libvirtd and virsh")
class VirshMove(SluiceTest):
    """Two hosts, each with a libvirtd and a ckptd."""

    timeout = 400

    def make_daemon(self):
        self.site = VirshSite()
        self.site.daemons[1].start()
        return self.site.daemons[0]

    def tearDown(self):
        try:
            super().tearDown()
        finally:
            self.site.close()

    def start_redis(self, connections):
        guest = VirshGuest(self.site, *REDIS).start()
        guest.source.wait_log("Ready to accept connections", 120)
        load = RedisLoad(6379, host=GUEST, on=self.site.clients,
                         seed=self.seed, connections=connections)
        load.start(3600)
        return guest, load

    @staticmethod
    def kill_target_qemu(guest):
        os.kill(guest.target.qemu_pid(), signal.SIGKILL)

    @staticmethod
    def kill_target_ckptd(guest):
        guest.target.daemon.kill()
        guest.target.daemon.start()

    @staticmethod
    def kill_source_qemu(guest):
        os.kill(guest.source.qemu_pid(), signal.SIGKILL)

    @staticmethod
    def kill_source_ckptd(guest):
        guest.source.daemon.kill()
        guest.source.daemon.start()
        guest.source.wait_state("running")

    def test_one_dies_while_it_moves(self):
        """Either QEMU, or the other host's ckptd: the guest stays, by the hand
        of libvirt where its own QEMU died; this host's ckptd: it moves.  Its
        clients notice a pause."""
        guest, load = self.start_redis(connections=4)
        for fault in (self.kill_target_qemu, self.kill_target_ckptd,
                      self.kill_source_qemu, self.kill_source_ckptd):
            load.wait_acknowledged(50)
            virsh = guest.begin_slow_move()
            fault(guest)
            if fault is self.kill_source_ckptd:
                guest.fast()
                self.assertEqual(virsh.wait(60), 0, guest.move_said())
                guest.arrived()
            else:
                self.assertNotEqual(virsh.wait(60), 0)
                guest.target.wait_state("waiting")
                wait_for(lambda: (guest.target.state() or "shut off")
                         .startswith("shut off"), 60, "libvirt there as well")
            load.mark()
            self.assertTrue(load.wait_recovered(60), fault.__name__)
            guest.source.wait_state("running")
        load.stop()
        self.check_load(load)

    def test_moves_tunnelled_peer_to_peer_and_direct(self):
        """In each of virsh's ways, under load: nothing lost, nothing doubled,
        every connection kept."""
        guest, load = self.start_redis(connections=8)
        for way in WAYS:
            load.wait_acknowledged(100)
            guest.move(way)
            load.mark()
            self.assertTrue(load.wait_recovered(60), way)
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.source.status()["generation"], 1 + len(WAYS))
