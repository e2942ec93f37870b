# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are libvirt domains: what virsh does to them, and a crash."""

import os
import pwd
import signal
import stat
import xml.etree.ElementTree as ElementTree

from base import PROGRAMS, REDIS, RedisLoad, SluiceTest, free_port, wait_for
from harness import trace
from harness.daemon import CtlError
from harness.hosts import Host, Network
from harness.libvirt import QEMU_USER, Domain, Libvirtd, VirshError, installed
from harness.names import name_checkpoint
from harness.resp import Client

EXIT = 2        # enum ckpt_output_kind
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


class LibvirtTest(SluiceTest):
    """What all of them start from: a libvirtd of the test's own."""

    user = None

    def setUp(self):
        if not installed():
            self.cancel("needs root, libvirtd and virsh")
        super().setUp()

    def make_daemon(self):
        self.libvirtd = Libvirtd(user=self.user)
        return self.libvirtd.daemon()

    def tearDown(self):
        if not hasattr(self, "libvirtd"):
            return
        try:
            super().tearDown()
        finally:
            if self.status in ("FAIL", "ERROR", "INTERRUPTED"):
                self.log.info("libvirtd said:\n%s", self.libvirtd.log())
            self.libvirtd.close()

    def redis(self, name="redis", **keywords):
        """A domain, not started, and a port that leads to it."""
        port = free_port()
        keywords.setdefault("ports", [(port, 6379)])
        return Domain(self.daemon, *REDIS, name=name, **keywords), port

    def sleeper(self, name="sleeper", **keywords):
        return Domain(self.daemon, PROGRAMS / "pause-forever-musl", name=name,
                      ip=None, **keywords)

    @staticmethod
    def ready(domain):
        domain.wait_log("Ready to accept connections", 120)

    def kill_under_load(self, domain, load, kills=3):
        for _ in range(kills):
            load.wait_acknowledged(200)
            domain.crash(load)
            self.assertTrue(load.wait_recovered(60))


class Crashes(LibvirtTest):
    """A QEMU that dies without anybody's wish comes back."""

    def test_persistent_domain_keeps_its_connections(self):
        """Three SIGKILLs under load: nothing lost, nothing doubled."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        self.kill_under_load(domain, load)
        load.stop()
        self.check_load(load)
        self.assertEqual(domain.state(), "running (booted)")
        self.log.info("recovered in %s ms",
                      [round(ms) for ms in load.result.recovery_ms])

    def test_transient_domain_comes_back_as_one(self):
        """libvirt forgets it with its QEMU; it is made again, also when the
        process that watches was killed in between."""
        domain, port = self.redis()
        domain.create()
        self.ready(domain)
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        self.kill_under_load(domain, load, kills=1)
        watcher = domain.status()["libvirt_pid"]
        os.kill(watcher, signal.SIGKILL)
        domain.wait_status(lambda s: s["libvirt_pid"] not in (0, watcher), 60,
                           "watched by another process")
        self.kill_under_load(domain, load, kills=1)
        load.stop()
        self.check_load(load)
        self.assertFalse(domain.is_persistent())
        domain.virsh("destroy")
        domain.wait_state("waiting")
        self.assertIsNone(domain.state())

    def test_crash_while_nobody_looked(self):
        """QEMU dies while ckptd is away, and again while libvirtd is: each
        finds out when it is back, and the guest goes on."""
        domain = self.sleeper().define().start()
        domain.wait_log("waiting")
        pid = domain.qemu_pid()
        self.daemon.process.terminate()
        self.daemon.process.wait(20)
        os.kill(pid, signal.SIGKILL)
        domain.wait_domain("shut off")
        self.daemon.start()
        domain.wait_recovered(1)

        self.libvirtd.kill()
        domain.kill_qemu()
        domain.wait_status(lambda s: "libvirt does not answer" in s["reason"],
                           60, "waits for libvirt")
        self.libvirtd.start()
        domain.wait_recovered(2)
        domain.wait_domain("running")

    def test_rollback_starts_the_domain_at_the_label(self):
        """libvirt is asked to, whether it ran or was destroyed, and no crash
        is counted."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        client = Client(("127.0.0.1", port))
        client.ask("SET", "at", "label")
        name_checkpoint(domain, "warm")
        for running in (True, False):
            client.ask("SET", "at", "later")
            generation = domain.status()["generation"]
            if not running:
                domain.virsh("destroy")
                domain.wait_state("waiting")
            self.daemon.ctl("rollback", "redis@warm")
            domain.wait_status(lambda s, g=generation: s["generation"] > g and
                               s["state"] == "running", 60, "at the label")
            client = Client(("127.0.0.1", port))
            self.assertEqual(client.ask("GET", "at"), b"label")
        self.assertEqual(domain.status()["recoveries"], 0)
        self.assertEqual(domain.state(), "running (booted)")
        domain.crash()
        self.assertEqual(client.ask("GET", "at"), b"label")

    def test_what_libvirt_cannot_start_fails_with_a_report(self):
        """Five tries, then the guest has failed and says why; `virsh start`
        hears that too; `ckptctl recover` is the way out, nothing is lost."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        with Client(("127.0.0.1", port)) as client:
            client.ask("SET", "key", "kept")
            hidden = domain.bundle.rename(domain.directory / "hidden")
            domain.kill_qemu()
            status = domain.wait_state("failed")
            self.assertIn("5 recoveries in a row", status["reason"])
            self.assertIn("libvirt could not start it", status["reason"])
            hidden.rename(domain.bundle)
            with self.assertRaises(VirshError) as caught:
                domain.virsh("start")
            self.assertIn("5 recoveries in a row", str(caught.exception))
            self.daemon.ctl("recover", domain.name)
            domain.wait_state("running")
            self.assertEqual(client.ask("GET", "key"), b"kept")


class Virsh(LibvirtTest):
    """What each verb means."""

    def test_destroy_is_no_crash(self):
        """It stays down, even if QEMU had to be killed for it, and `start`
        goes on from the last checkpoint."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        with Client(("127.0.0.1", port)) as client:
            client.ask("SET", "key", "kept")
            domain.virsh("destroy")
            domain.wait_state("waiting")
            self.assertEqual(domain.state(), "shut off (destroyed)")
            domain.start()
            self.assertEqual(client.ask("GET", "key"), b"kept")

            os.kill(domain.qemu_pid(), signal.SIGSTOP)
            domain.virsh("destroy")
            status = domain.wait_status(
                lambda s: s["state"] == "waiting" and "destroyed" in s["reason"],
                60, "ended through libvirt")
            self.assertEqual(status["recoveries"], 0)
            self.assertEqual(domain.state(), "shut off (destroyed)")
            domain.start()
            self.assertEqual(client.ask("GET", "key"), b"kept")

    def test_shutdown_and_reboot(self):
        """SIGTERM to the program; it ends, and boots anew."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        with Client(("127.0.0.1", port)) as client:
            client.ask("SET", "key", "lost with the program")
        domain.virsh("shutdown")
        domain.wait_state("waiting")
        domain.wait_domain("shut off (shutdown)")
        self.assertIn("User requested shutdown", domain.logs())
        self.assertEqual(domain.status()["exit_status"], 0)

        domain.start()
        for verb in ("reboot", "reset"):
            with Client(("127.0.0.1", port)) as client:
                self.assertIsNone(client.ask("GET", "key"))
                client.ask("SET", "key", "lost with the program")
            starts = domain.logs().count("Ready to accept connections")
            domain.virsh(verb)
            wait_for(lambda n=starts: domain.logs().count(
                "Ready to accept connections") > n, 120, "boots anew")
        with Client(("127.0.0.1", port)) as client:
            self.assertIsNone(client.ask("GET", "key"))
            client.ask("SET", "key", "kept")
            domain.crash()
            self.assertEqual(client.ask("GET", "key"), b"kept")

    def reboot_up_to_the_exit(self, domain):
        """Of a reboot, until ckptd has heard that the program has ended;
        libvirtd stands still before it can reset the domain."""
        self.daemon.process.send_signal(signal.SIGSTOP)
        domain.virsh("reboot")
        self.libvirtd.process.send_signal(signal.SIGSTOP)
        exits = self.exits(domain)
        self.daemon.process.send_signal(signal.SIGCONT)
        wait_for(lambda: self.exits(domain) > exits, 60, "the exit is told")

    def exits(self, domain):
        return sum(event["event"] == "output" and event["kind"] == EXIT
                   for event in trace.events(self.daemon.trace, domain.name))

    def test_reboot_while_ckptd_is_away(self):
        """ckptd dies when the program has ended, and is back before the reset
        or only behind it: a reboot is none the less one, and no crash."""
        self.addCleanup(self.libvirtd.process.send_signal, signal.SIGCONT)
        domain = self.sleeper().define().start()
        domain.wait_log("waiting")
        for number, early in enumerate((True, False), 1):
            self.reboot_up_to_the_exit(domain)
            generation = domain.status()["generation"]
            self.daemon.kill()
            if early:
                self.daemon.start()
                domain.wait_state("running")
            self.libvirtd.process.send_signal(signal.SIGCONT)
            if not early:
                wait_for(lambda: domain.qmp("query-status")["status"] ==
                         "paused", 60, "reset, and stopped")
                self.daemon.start()
            domain.wait_status(lambda s, g=generation: s["generation"] > g and
                               s["state"] == "running", 60, "the next QEMU")
            wait_for(lambda n=number: domain.logs().count("waiting") > n, 60,
                     "it boots anew")
            domain.wait_domain("running")
        self.assertEqual(domain.status()["recoveries"], 0)

    def test_suspend_and_resume(self):
        """What is durable leaves, nothing new is made; after resume all goes
        on.  A crash while suspended: it comes back, and runs."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        load.wait_acknowledged(200)
        domain.virsh("suspend")
        self.assertEqual(domain.state(), "paused (user)")
        wait_for(lambda: domain.qmp("query-ckpt")["in-flight"] == 0, 60,
                 "nothing in flight")
        epoch = domain.status()["committed"]
        domain.virsh("resume")
        domain.wait_status(lambda s: s["committed"] > epoch, 60, "goes on")
        load.wait_acknowledged(200)
        domain.virsh("suspend")
        domain.crash(load)
        self.assertTrue(load.wait_recovered(60))
        self.assertEqual(domain.state(), "running (booted)")
        load.stop()
        self.check_load(load)

    def test_save_is_refused_behind_netd(self):
        """A state file cannot hold connections that end on the host: it is
        refused with the reason, and the guest runs on."""
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        for words in (("save", domain.name, domain.directory / "saved"),
                      ("managedsave", domain.name)):
            with self.assertRaises(VirshError) as caught:
                self.libvirtd.virsh(*words)
            self.assertIn("user-mode networking", str(caught.exception))
        self.assertEqual(domain.state().split()[0], "running")
        with Client(("127.0.0.1", port)) as client:
            client.ask("SET", "key", "kept")
            domain.crash()
            self.assertEqual(client.ask("GET", "key"), b"kept")

    def test_autostart(self):
        """A domain that is marked so starts with libvirtd and goes on from its
        checkpoint."""
        domain = self.sleeper().define().start()
        domain.wait_log("waiting")
        domain.virsh("autostart")
        domain.virsh("destroy")
        generation = domain.wait_state("waiting")["generation"]
        self.libvirtd.boot()
        status = domain.wait_state("running")
        self.assertEqual(status["generation"], generation + 1)

    def test_monitor_and_console(self):
        """query-ckpt through libvirt; there is no console device, what the
        program writes is ckptd's."""
        domain = self.sleeper().define().start()
        domain.wait_log("waiting")
        self.daemon.ctl("checkpoint", domain.name)
        self.assertEqual(domain.qmp("query-ckpt")["committed"],
                         domain.status()["committed"])
        with self.assertRaises(VirshError):
            domain.virsh("console")
        self.assertIn("waiting", self.daemon.ctl("logs", domain.name))


class Confinement(LibvirtTest):
    """As libvirt's defaults want it."""

    def test_unprivileged_and_sandboxed(self):
        """QEMU runs as libvirt's user under a seccomp filter; the engine's
        socket is that user's, and no one else's."""
        domain = self.sleeper().define().start()
        user = pwd.getpwnam(QEMU_USER)
        with open(f"/proc/{domain.qemu_pid()}/status", encoding="ascii") as f:
            lines = dict(line.rstrip().split(":\t", 1) for line in f
                         if ":\t" in line)
        self.assertEqual(lines["Uid"].split(), [str(user.pw_uid)] * 4)
        self.assertEqual(lines["Seccomp"], "2")
        self.assertEqual(int(lines["CapEff"], 16), 0)
        with open(f"/proc/{domain.qemu_pid()}/cmdline", encoding="ascii") as f:
            self.assertIn("spawn=deny", f.read())
        socket = os.stat(domain.status()["engine_socket"])
        self.assertEqual((socket.st_uid, stat.S_IMODE(socket.st_mode)),
                         (user.pw_uid, 0o600))
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.state).st_mode),
                         0o700)

    def test_another_domain_is_not_the_guest(self):
        """A domain that claims another one's guest is refused and told why,
        though its QEMU is the same user's; the guest is still its own's."""
        owner = self.sleeper("owner")
        thief = self.sleeper("thief")
        owner.define()
        socket = owner.status()["engine_socket"]
        for old, new in ((thief.status()["engine_socket"], socket),
                         ("guest=thief", "guest=owner")):
            self.assertIn(old, thief.xml)
            thief.xml = thief.xml.replace(old, new)
        thief.xml_path.write_text(thief.xml, encoding="utf-8")
        thief.define()
        done = self.libvirtd.try_virsh("start", "thief")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not the QEMU of this guest's domain", done.stderr)
        self.assertEqual(owner.status()["generation"], 0)
        owner.start()
        self.assertNotEqual(self.libvirtd.try_virsh("start",
                                                    "thief").returncode, 0)
        self.assertEqual(owner.status()["state"], "running")


class Xml(LibvirtTest):
    """`ckptctl domxml`."""

    def test_any_path_is_written_right(self):
        """Names with characters that XML or QEMU treat specially."""
        domain = self.sleeper(directory="a&b <c> 'd' \"e\", f;")
        domain.define().start()
        domain.wait_log("waiting")
        tree = ElementTree.fromstring(domain.xml)
        self.assertEqual(tree.find("os/initrd").text, str(domain.bundle))
        domain.crash()

    def test_of_a_guest_that_is_there(self):
        """By its name the same domain is printed again; a guest that ckptd
        starts itself, and words that make no sense, are refused."""
        domain = self.sleeper()
        self.assertEqual(
            self.daemon.ctl("domxml", domain.name, "--bundle", domain.bundle),
            domain.xml)
        self.daemon.run(PROGRAMS / "pause-forever-musl", name="own",
                        options=["--net", "none"])
        for words in (["own", "--bundle", domain.bundle],
                      ["nobody", "--bundle", domain.bundle],
                      [domain.name], ["--bundle", domain.bundle],
                      [domain.name, "--bundle", "/no/such/file"],
                      [domain.name, "--bundle", domain.bundle, "--net", "x"],
                      ["--new", "--bundle", domain.bundle,
                       "--libvirt", "qemu+ssh://elsewhere/system"]):
            with self.assertRaises(CtlError) as caught:
                self.daemon.ctl("domxml", *words)
            self.assertGreater(len(caught.exception.text), 20)


class Interfaces(SluiceTest):
    """libvirt's own <interface> leads to our NIC."""

    def setUp(self):
        if not installed():
            self.cancel("needs root, libvirtd and virsh")
        super().setUp()

    def make_daemon(self):
        self.network = Network()
        self.client = Host(self.network, "client", "10.88.0.1/24")
        server = Host(self.network, "server", "10.88.0.2/24", bridge="br0")
        self.libvirtd = Libvirtd(namespace=server)
        return self.libvirtd.daemon()

    def tearDown(self):
        if hasattr(self, "libvirtd"):
            super().tearDown()
            self.libvirtd.close()
            self.network.close()

    def load_through(self, net):
        """Redis in a domain on @net, killed under load."""
        domain = Domain(self.daemon, *REDIS, name="redis", net=net,
                        ip="10.88.0.9/24")
        domain.define().start()
        domain.wait_log("Ready to accept connections", 120)
        load = RedisLoad(6379, host="10.88.0.9", on=self.client,
                         seed=self.seed)
        load.start(3600)
        for _ in range(2):
            load.wait_acknowledged(200)
            domain.crash(load)
            self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)
        return domain

    def test_bridge(self):
        """libvirt makes a TAP at each start and takes it away; connections
        live through the crash between."""
        domain = self.load_through("bridge=br0")
        tap = domain.netdev().find("target").get("dev")
        self.assertIn(tap, self.libvirtd.namespace.links())
        domain.virsh("destroy")
        wait_for(lambda: tap not in self.libvirtd.namespace.links(), 60,
                 "the TAP is gone")

    def test_network(self):
        """The same by the name of a libvirt network."""
        path = self.libvirtd.directory / "network.xml"
        path.write_text("<network><name>lan</name><forward mode='bridge'/>"
                        "<bridge name='br0'/></network>", encoding="ascii")
        self.libvirtd.virsh("net-define", path)
        self.libvirtd.virsh("net-start", "lan")
        self.load_through("network=lan")

    def test_saved_and_restored_under_load(self):
        """save and restore, managedsave and start: clients notice a pause. The
        file is good once; what refuses it later is where the guest is."""
        domain = Domain(self.daemon, *REDIS, name="redis", net="bridge=br0",
                        ip="10.88.0.9/24")
        domain.define().start()
        domain.wait_log("Ready to accept connections", 120)
        load = RedisLoad(6379, host="10.88.0.9", on=self.client,
                         seed=self.seed, connections=4)
        load.start(3600)
        path = domain.directory / "saved"
        for save, restore in (
                (("save", domain.name, path), ("restore", path)),
                (("managedsave", domain.name), ("start", domain.name))):
            load.wait_acknowledged(100)
            self.libvirtd.virsh(*save)
            domain.wait_state("moved")
            self.assertEqual(domain.state(), "shut off (saved)")
            self.libvirtd.virsh(*restore)
            load.mark()
            domain.wait_state("running")
            self.assertTrue(load.wait_recovered(60), save[0])
        domain.virsh("destroy")
        domain.wait_state("waiting")
        with self.assertRaises(VirshError) as caught:
            self.libvirtd.virsh("restore", path)
        self.assertIn("another one cannot come in its place",
                      str(caught.exception))
        domain.start()
        load.mark()
        self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    def test_tap_that_stays(self):
        """A TAP that is there already outlives QEMU."""
        server = self.libvirtd.namespace
        server.ip("tuntap", "add", "dev", "web0", "mode", "tap", "user",
                  QEMU_USER)
        server.ip("link", "set", "web0", "master", "br0", "up")
        domain = self.load_through("tap=web0")
        domain.virsh("destroy")
        domain.wait_state("waiting")
        self.assertIn("web0", server.links())


class Session(LibvirtTest):
    """qemu:///session, all of it by an ordinary user."""

    user = "nobody"

    def test_crash_in_a_session(self):
        domain, port = self.redis()
        domain.define().start()
        self.ready(domain)
        self.assertEqual(domain.status()["libvirt"], "qemu:///session")
        load = RedisLoad(port, seed=self.seed)
        load.start(3600)
        self.kill_under_load(domain, load, kills=2)
        load.stop()
        self.check_load(load)
        domain.virsh("destroy")
        domain.wait_state("waiting")
