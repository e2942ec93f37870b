# SPDX-License-Identifier: GPL-2.0-or-later
"""virsh migrate --live: a domain moves between two real libvirtds."""

import unittest

from base import REDIS, RedisLoad, SluiceTest
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

    def test_moves_tunnelled_peer_to_peer_and_direct(self):
        """In each of virsh's ways, under load: nothing lost, nothing doubled,
        every connection kept."""
        guest = VirshGuest(self.site, *REDIS).start()
        guest.source.wait_log("Ready to accept connections", 120)
        load = RedisLoad(6379, host=GUEST, on=self.site.clients,
                         seed=self.seed, connections=8)
        load.start(3600)
        for way in WAYS:
            load.wait_acknowledged(100)
            guest.move(way)
            load.mark()
            self.assertTrue(load.wait_recovered(60), way)
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.source.status()["generation"], 1 + len(WAYS))
