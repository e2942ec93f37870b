# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a bridge: their neighbours notice no crash.

ckptd puts its guests on the bridge of `sluice`.
"""

import os
import signal
import socket
import subprocess
import time

from base import CLIENTS, PROGRAMS, REDIS, BridgeTest, RedisLoad, wait_for
from harness import numbered, wire
from harness.daemon import CtlError
from harness.relay import Relay, open_tap

GUESTS = ["10.77.0.9", "10.77.0.10"]
CLIENT_MAC = bytes.fromhex("020000000001")
PEERS = [f"10.77.0.{number}" for number in range(100, 120)]


class TapTest(BridgeTest):
    """Guests of ckptctl on the bridge."""

    def tap_options(self, *more, net="tap,bridge=br0", ip=GUESTS[0]):
        return self.guest_options("--net", net, "--ip", f"{ip}/24",
                                  "--memory", "64", *more)

    def start_redis_on_tap(self, *more, **keywords):
        guest = self.daemon.run(*REDIS, name="redis",
                                options=self.tap_options(*more, **keywords))
        guest.wait_log("Ready to accept connections", 120)
        return guest

    def start_load(self, address=GUESTS[0], **keywords):
        load = RedisLoad(6379, host=address, on=self.clients, seed=self.seed,
                         **keywords)
        load.start(3600)
        return load

    def link(self, name):
        """`ip link show` of an interface of `sluice`, one line."""
        return self.sluice.ip("-o", "link", "show", "dev", name)


class Tap(TapTest):
    """The interface, over all that can die."""

    def test_fifty_kills_keep_connections(self):
        """50 kills of QEMU, each as soon as the guest is back: nothing lost
        or doubled, every connection kept."""
        guest = self.start_redis_on_tap()
        load = self.start_load(connections=8, pipeline=4)
        for number in range(1, 51):
            guest.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        load.stop()
        self.check_load(load)
        self.assertEqual(guest.status()["recoveries"], 50)

    def test_interface_outlives_qemu_and_ckptd(self):
        """QEMU dies, then ckptd, then QEMU again: it is the same interface,
        in the bridge and with its carrier, all the time."""
        guest = self.start_redis_on_tap(net="tap,bridge=br0,ifname=guest0")
        load = self.start_load(connections=4)
        number = self.link("guest0").split(":")[0]

        def check():
            line = self.link("guest0")
            self.assertEqual(line.split(":")[0], number, "another interface")
            self.assertIn("LOWER_UP", line)
            self.assertIn("master br0", line)
            self.assertIn("qlen 8192", line)
        check()
        with guest.two_in_flight():
            guest.kill_qemu_now()
            check()
        guest.wait_recovered(1)
        self.daemon.kill()
        check()
        self.daemon.start()
        check()
        guest.wait_state("running")
        self.assertEqual(guest.status()["ifname"], "guest0")
        with guest.two_in_flight():
            guest.kill_qemu_now()
            check()
        load.mark()
        self.assertTrue(load.wait_recovered(60))
        check()
        load.stop()
        self.check_load(load)

    def test_both_killed_leave_no_interface(self):
        """ckptd and QEMU die: the interface is gone by itself; the recovery
        makes it again and the connections live."""
        guest = self.start_redis_on_tap()
        name = guest.status()["ifname"]
        load = self.start_load(connections=4)
        guest.wait_state("running")
        self.daemon.kill()
        guest.kill_qemu_now()
        wait_for(lambda: name not in self.sluice.links(), 20,
                 "the kernel removes the interface")
        self.daemon.start()
        load.mark()
        self.assertTrue(load.wait_recovered(60))
        self.assertEqual(guest.status()["ifname"], name)
        load.stop()
        self.check_load(load)

    def test_frames_wait_while_there_is_no_qemu(self):
        """What neighbours send while no QEMU runs is answered by the next."""
        guest = self.start_redis_on_tap()
        guest.wait_state("running")
        pid = guest.qemu_pid()
        with wire.Capture(self.clients) as capture:
            self.daemon.process.send_signal(signal.SIGSTOP)
            try:
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not os.path.exists(f"/proc/{pid}/fd/3"), 20,
                         "QEMU has let go of the interface")
                wire.send(self.clients, [
                    wire.arp_frame(1, CLIENT_MAC, peer, GUESTS[0])
                    for peer in PEERS])
            finally:
                self.daemon.process.send_signal(signal.SIGCONT)

            def answered():
                arps = [wire.arp_of(frame) for _, frame in capture.frames()]
                return {arp[3] for arp in arps
                        if arp and arp[0] == 2 and arp[2] == GUESTS[0]}
            wait_for(lambda: answered() >= set(PEERS), 60,
                     "each question is answered")

    def test_nothing_is_left(self):
        """A guest that is stopped, and one that is killed, take their
        interface along; one that was there before stays."""
        before = self.sluice.links()
        for verb in ("stop", "kill"):
            guest = self.start_redis_on_tap()
            self.assertEqual(len(self.sluice.links()), len(before) + 1)
            self.daemon.ctl(verb, guest.name)
            self.daemon.ctl("rm", guest.name)
            self.assertEqual(self.sluice.links(), before)
        self.sluice.ip("tuntap", "add", "mode", "tap", "dev", "mine")
        self.sluice.ip("link", "set", "mine", "master", "br0", "up")
        guest = self.start_redis_on_tap(net="tap,ifname=mine")
        self.start_load(connections=1).wait_acknowledged(10)
        self.daemon.ctl("kill", guest.name)
        self.assertIn("master br0", self.link("mine"))

    def test_clear_errors(self):
        """What cannot be says why, and leaves nothing behind."""
        taken = open_tap(self.sluice, "taken")
        before = self.sluice.links()
        for net, words in (("tap,bridge=nosuch", "no such bridge"),
                           ("tap,bridge=eth0", "not a bridge"),
                           ("tap,ifname=eth0", "it is no TAP"),
                           ("tap,ifname=taken", "somebody uses it"),
                           ("tap,ifname=sixteen-letters-", "1 to 15"),
                           ("tap,br=br0", "bridge=NAME")):
            with self.assertRaises(CtlError) as caught:
                self.start_redis_on_tap(net=net)
            self.assertIn(words, caught.exception.text)
            self.assertEqual(self.sluice.links(), before)
            self.assertEqual(self.daemon.json("ps"), [])
        os.close(taken)


class OrdinaryUser(TapTest):
    """ckptd of a user who may make no interface, and asks qemu-bridge-helper."""

    def make_daemon(self):
        super().make_daemon()
        self.sluice.allow_bridge("br0")
        return self.sluice.daemon(user="nobody")

    def setUp(self):
        super().setUp()
        with open(f"/proc/{self.daemon.process.pid}/status",
                  encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        self.assertNotIn("0", fields["Uid"].split())
        self.assertEqual(int(fields["CapEff"], 16), 0)

    def test_bridge_helper(self):
        """The interface that the helper made outlives QEMU and ckptd; it is
        gone when the guest is down, and when both were killed."""
        before = self.sluice.links()
        guest = self.start_redis_on_tap()
        name = guest.status()["ifname"]
        load = self.start_load(connections=4)
        for number in range(1, 4):
            load.wait_acknowledged(100)
            guest.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
        self.daemon.kill()
        self.daemon.start()
        guest.wait_state("running")
        guest.kill_qemu(load)
        self.assertTrue(load.wait_recovered(60))
        self.assertIn(name, self.sluice.links())
        guest.wait_state("running")
        self.daemon.kill()
        guest.kill_qemu_now()
        wait_for(lambda: self.sluice.links() == before, 20,
                 "the kernel removes the interface")
        self.daemon.start()
        load.mark()
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)
        self.daemon.ctl("kill", guest.name)
        self.assertEqual(self.sluice.links(), before)

    def test_another_bridge_is_refused(self):
        """What the helper may not do, it says, and so do we."""
        with self.assertRaises(CtlError) as caught:
            self.start_redis_on_tap(net="tap,bridge=br1")
        self.assertIn("bridge.conf must allow", caught.exception.text)
        self.assertEqual(self.daemon.json("ps"), [])


class Addresses(TapTest):
    """What a guest gets from its network, and what it brings."""

    def start_dhcp_server(self):
        """dnsmasq on `clients`: a pool of one address, and one name."""
        server = self.clients.popen(
            ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
             "--no-hosts", "--interface=eth0", "--bind-interfaces",
             "--user=root", "--address=/service.test/10.77.0.99",
             f"--dhcp-range={GUESTS[0]},{GUESTS[0]},255.255.255.0,2m",
             f"--dhcp-option=option:dns-server,{CLIENTS}",
             "--dhcp-leasefile=" + str(self.daemon.directory / "leases")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)

    def test_ping(self):
        """A guest answers ICMP echo, over a kill; a program in one asks."""
        guest = self.start_redis_on_tap()
        ping = ["busybox", "ping", "-c", "3", "-w", "60", GUESTS[0]]
        self.clients.run(ping)
        guest.kill_qemu()
        guest.wait_recovered(1)
        self.clients.run(ping)
        asks = self.daemon.run(
            "/bin/busybox", "ping", "-c", "3", CLIENTS, name="ping",
            options=self.tap_options(ip=GUESTS[1]))
        self.assertEqual(asks.wait_state("exited")["exit_status"], 0,
                         asks.logs())
        self.assertIn("3 packets received", asks.logs())

    def test_dhcp(self):
        """The address is a server's: clients reach it, kills do not lose it,
        and resolv.conf has the server's name server."""
        self.start_dhcp_server()
        guest = self.daemon.run(
            *REDIS, name="redis", options=self.guest_options(
                "--net", "tap,bridge=br0", "--memory", "64"))
        guest.wait_log("Ready to accept connections", 120)

        def reachable():
            try:
                return self.clients.call(lambda: socket.create_connection(
                    (GUESTS[0], 6379), 5))
            except OSError:
                return None
        wait_for(reachable, 60, "the address").close()
        load = self.start_load(connections=4)
        for _ in range(3):
            load.wait_acknowledged(100)
            guest.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    def test_names_are_found(self):
        """An unmodified program of the distribution finds the server's name
        server where every program looks for it, and asks it."""
        self.start_dhcp_server()
        options = self.guest_options("--net", "tap,bridge=br0",
                                     "--memory", "64")
        guest = self.daemon.run("/bin/busybox", "tail", "-F",
                                "/etc/resolv.conf", name="resolv",
                                options=options)
        guest.wait_log(f"nameserver {CLIENTS}", 60)
        self.daemon.ctl("kill", guest.name)
        options[options.index("--net"):] = [
            "--net", "tap,bridge=br0", "--ip", f"{GUESTS[1]}/24",
            "--dns", CLIENTS]
        guest = self.daemon.run("/bin/busybox", "nslookup", "-type=a",
                                "service.test",
                                name="lookup", options=options)
        status = guest.wait_state("exited")
        self.assertIn("10.77.0.99", guest.logs())
        self.assertEqual(status["exit_status"], 0)


class Wire(TapTest):
    """What neighbours see on the wire."""

    def start_frames(self, capture):
        guest = self.daemon.run(
            PROGRAMS / "sluice-frames-musl", name="frames",
            options=self.tap_options())
        wait_for(lambda: self.numbers(capture), 60, "the first frame")
        return guest

    @staticmethod
    def numbers(capture):
        return numbered.numbered(capture.frames())

    def wait_number(self, capture, more):
        target = numbered.last_number(self.numbers(capture)) + more
        wait_for(lambda: numbered.last_number(self.numbers(capture)) >= target,
                 60, f"frame {target}", poll_s=0.1)

    def test_no_frame_early_on_the_wire(self):
        """A neighbour sees each frame after its checkpoint was durable, in
        order, none missing, over kills with two epochs in flight."""
        with wire.Capture(self.clients) as capture:
            guest = self.start_frames(capture)
            self.wait_number(capture, 2000)
            for number in range(1, 6):
                self.wait_number(capture, self.random.randrange(1, 400))
                with guest.two_in_flight():
                    guest.kill_qemu_now()
                guest.wait_recovered(number)
            self.wait_number(capture, 500)
            found = self.numbers(capture)
        numbered.check_order(found, allow_doubled=5)
        epochs = numbered.check_not_early(found, self.daemon.trace)
        self.log.info("%d frames of %d epochs", len(found), epochs)
        self.assertGreater(epochs, 10)

    def test_every_process_announces_itself_after_recovery(self):
        """Two programs in one guest, each with its own addresses: both serve
        neighbours, and both say by gratuitous ARP where they are when they
        are back."""
        guest = self.daemon.run(
            "--", *REDIS, "--", *REDIS, name="pair",
            options=self.guest_options(
                "--net", "tap,bridge=br0", "--memory", "96",
                "--ip", f"{GUESTS[0]}/24", "--ip", f"{GUESTS[1]}/24"))
        guest.wait_log("Ready to accept connections", 120)
        loads = [self.start_load(address, connections=4, pipeline=4)
                 for address in GUESTS]
        with wire.Capture(self.clients) as capture:
            fault_ns = time.time_ns()
            guest.kill_qemu(loads[0])
            loads[1].mark()
            for load in loads:
                self.assertTrue(load.wait_recovered(60))
            wait_for(lambda: len(self.announced(capture, fault_ns)) == 2, 60,
                     "both announce themselves")
            self.assertEqual({address for _, address
                              in self.announced(capture, fault_ns)},
                             set(GUESTS))
        for load in loads:
            load.stop()
            self.check_load(load)

    @staticmethod
    def announced(capture, since_ns):
        return wire.gratuitous(capture.frames(), since_ns)

    def test_loss_and_kills(self):
        """One packet of twenty lost in each direction, and kills: TCP repairs
        it all."""
        for chain in ("INPUT", "OUTPUT"):
            self.clients.run(["iptables", "-A", chain, "-p", "tcp",
                              "-m", "statistic", "--mode", "random",
                              "--probability", "0.05", "-j", "DROP"])
        self.kill_under_load(5)
        counters = self.clients.run(["iptables", "-nvxL", "INPUT"]).stdout
        dropped = int(counters.splitlines()[2].split()[0])
        self.log.info("%d packets dropped on their way in", dropped)
        self.assertGreater(dropped, 0)

    def test_reordering_and_kills(self):
        """Frames that overtake each other, and kills."""
        relay = Relay(self.network, self.clients, f"{CLIENTS}/24")
        relay.set(self.seed, late=0.05)
        try:
            self.kill_under_load(5)
        finally:
            relay.close()
        self.log.info("%d frames held back", relay.reordered)
        self.assertGreater(relay.reordered, 10)

    def kill_under_load(self, kills):
        guest = self.start_redis_on_tap()
        load = self.start_load(connections=8, pipeline=4)
        for number in range(1, kills + 1):
            load.wait_acknowledged(self.random.randrange(50, 200))
            guest.kill_qemu(load)
            self.assertTrue(load.wait_recovered(60), f"kill {number}")
            guest.wait_recovered(number)
        load.stop()
        self.check_load(load)
