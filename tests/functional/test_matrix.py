# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever starts the guest, on whatever network: no fault is noticed.

matrix.cit lists the values; every pair of them is tried (make check-matrix).
Alone, `avocado run test_matrix.py -p net=tap -p fault=both` tries one variant.
"""

from base import RedisLoad, SluiceTest
from harness import libvirt_places, places
from harness.libvirt import installed

FAULTS = 3
# who starts QEMU -> how it is done
STARTERS = {"ckptctl": places.start_by_ckptctl,
            "by-hand": places.start_by_hand,
            "libvirt": libvirt_places.start_by_libvirt}


class Matrix(SluiceTest):
    """Redis under load with verify=on."""

    timeout = 300

    def setUp(self):
        self.place = None
        self.starter = self.params.get("starter", default="ckptctl")
        if self.starter == "libvirt" and not installed():
            self.cancel("needs root, libvirtd and virsh")
        super().setUp()

    def make_daemon(self):
        networks = (libvirt_places if self.starter == "libvirt"
                    else places).NETWORKS
        self.place = networks[self.params.get("net", default="user")]()
        return self.place.daemon

    def tearDown(self):
        if not self.place:
            return
        try:
            super().tearDown()
        finally:
            self.place.close()

    # one method for each value of the parameter `fault`

    def fault_qemu(self, guest, load):
        """SIGKILL to QEMU, at any moment."""
        guest.kill_qemu(load)

    def fault_in_flight(self, guest, load):
        """SIGKILL to QEMU with two epochs captured, neither durable."""
        with guest.two_in_flight():
            guest.kill_qemu_now()
        load.mark()

    def fault_ckptd(self, _guest, load):
        """SIGKILL to ckptd: QEMU runs on, its gate shut."""
        self.daemon.kill()
        self.daemon.start()
        load.mark()

    def fault_both(self, guest, load):
        """SIGKILL to both, two epochs in flight."""
        with guest.two_in_flight():
            self.daemon.kill()
            guest.kill_qemu_now()
        self.daemon.start()
        load.mark()

    def test_clients_notice_no_fault(self):
        """Nothing lost, nothing doubled, every connection kept."""
        name = self.params.get("fault", default="qemu")
        fault = getattr(self, f"fault_{name.replace('-', '_')}")
        start = STARTERS[self.starter]
        guest = start(self.place, self.params.get("accel", default="auto"))
        guest.wait_log("Ready to accept connections", 120)
        load = RedisLoad(self.place.port, host=self.place.address,
                         on=self.place.clients, seed=self.seed, connections=8)
        load.start(3600)
        for number in range(1, FAULTS + 1):
            load.wait_acknowledged(self.random.randrange(20, 200))
            guest.wait_state("running")
            pid = guest.qemu_pid()
            fault(guest, load)
            if name != "ckptd":
                guest.come_back()
            self.assertTrue(load.wait_recovered(60), f"fault {number}")
            guest.wait_state("running")
            self.assertEqual(guest.qemu_pid() == pid, name == "ckptd")
        load.stop()
        self.check_load(load)
