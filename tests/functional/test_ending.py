# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a program: what it had sent arrives, and nothing that is cut off
looks whole.

The program is tests/guest/programs/endings.c: its client says how it is to end,
and how much it is to send before.
"""

import os
import signal
import socket

from base import PROGRAMS, BridgeTest, free_port, wait_for
from harness.daemon import process_alive

STATUS = 7
PORT = 7000
BIG = 8 << 20
ANSWER = bytes((n * 7 >> 3) & 255 for n in range(BIG))

# A client that does not read. Its receive buffer, the kernel's buffer before it
# (TCP_WMEM), ckpt-netd's of 128 KiB and the guest's of 512 KiB fill in turn.
SLOW = 4096
TCP_WMEM = "4096 16384 65536"
MORE_THAN_NETWORK_HOLDS = 600000
MORE_THAN_KERNEL_HOLDS = 150000


class Client:
    """One connection to the program, which gets `HOW BYTES`."""

    def __init__(self, host, address, how, size, buffer=0):
        def dial():
            conn = socket.socket()
            if buffer:
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            conn.settimeout(60)
            conn.connect(address)
            return conn
        self.conn = host.call(dial)
        self.size = size
        self.got = bytearray()
        self.conn.sendall(b"%s %d\n" % (how.encode(), size))

    def read(self, size):
        """Up to @size bytes; False at the end."""
        piece = self.conn.recv(size)
        self.got += piece
        return bool(piece)

    def end(self):
        """Read on to the end, which is a word."""
        try:
            while self.read(1 << 18):
                pass
            return "FIN"
        except ConnectionResetError:
            return "RST"
        finally:
            self.conn.close()


class EndingTest(BridgeTest):
    """Guests of `sluice`."""

    def setUp(self):
        super().setUp()
        self.sluice.call(self.limit_buffers)

    @staticmethod
    def limit_buffers():
        with open("/proc/sys/net/ipv4/tcp_wmem", "w", encoding="ascii") as sys:
            sys.write(TCP_WMEM)

    def check_whole(self, client):
        self.assertEqual((client.end(), len(client.got)),
                         ("FIN", client.size))
        self.assertEqual(client.got, ANSWER[:client.size])

    def check_cut(self, client):
        self.assertEqual(client.end(), "RST")
        self.assertLess(len(client.got), client.size)

    def check_ended(self, guest, state="exited", **expected):
        status = guest.wait_state(state)
        for name, value in {"exit_status": STATUS, **expected}.items():
            self.assertEqual(status[name], value, name)

    def kill_while_ending(self, guest, kills):
        for number in range(1, kills + 1):
            guest.status()
            guest.kill_qemu_now()
            guest.wait_status(lambda s, n=number: s["recoveries"] == n
                              and s["state"] == "ending", 60, "ending again")


class UserTest(EndingTest):
    """Guests of user-mode networking, with clients on their host."""

    def start(self, *options, libc="musl"):
        """A guest, and where its clients go."""
        port = free_port()
        guest = self.daemon.run(
            PROGRAMS / f"endings-{libc}", str(PORT), ports=[(port, PORT)],
            options=self.guest_options("--memory", "64", *options))
        guest.wait_log("ready", 120)
        return guest, ("127.0.0.1", port)

    def client(self, address, how, size, buffer=0):
        return Client(self.sluice, address, how, size, buffer)

    def answering(self):
        """A guest that answers, and a client that lacks most of it."""
        guest, address = self.start()
        client = self.client(address, "handle", BIG, SLOW)
        client.read(SLOW)
        return guest, client

    def ending(self):
        """A guest whose program has ended, and a client that lacks some."""
        guest, address = self.start()
        client = self.client(address, "close", MORE_THAN_NETWORK_HOLDS, SLOW)
        guest.wait_state("ending")
        return guest, client

    def settling(self):
        """The same, and the guest is done: only ckpt-netd has the rest."""
        guest, address = self.start()
        client = self.client(address, "close", MORE_THAN_KERNEL_HOLDS, SLOW)
        guest.wait_status(lambda s: s["state"] == "ending"
                          and s["qemu_pid"] == 0, 60, "ending without QEMU")
        return guest, client


class Exit(UserTest):
    """Ends by itself."""

    def test_answers_arrive(self):
        """20 kB to 8 MB, written, closed and exited: every byte, then FIN."""
        for size, libc, how in ((20000, "musl", "close"),
                                (300000, "glibc", "leave"),
                                (BIG, "musl", "threads")):
            guest, address = self.start(libc=libc)
            self.check_whole(self.client(address, how, size))
            self.check_ended(guest, recoveries=0)
            self.daemon.ctl("rm", "guest")

    def test_signals_deliver_too(self):
        """A program that dies of a signal has its answer delivered."""
        for how, number in (("segv", signal.SIGSEGV), ("kill", signal.SIGKILL)):
            guest, address = self.start()
            self.check_whole(self.client(address, how, 300000))
            status = guest.wait_state("exited")
            self.assertEqual(status["exit_status"] & 0xff, number)
            self.daemon.ctl("rm", "guest")

    def test_unread_data_is_told(self):
        """The end of a program that did not read all is a reset."""
        guest, address = self.start()
        client = self.client(address, "leave", 0)
        client.conn.sendall(b"x" * 1000)
        self.assertEqual(client.end(), "RST")
        self.check_ended(guest)

    def test_ending_outlives_qemu_and_ckptd(self):
        """QEMU dies three times, ckptd once, while a slow client still lacks
        some of the answer: it gets all."""
        guest, client = self.ending()
        self.kill_while_ending(guest, 3)
        self.daemon.kill()
        self.daemon.start()
        guest.wait_state("ending")
        self.check_whole(client)
        self.check_ended(guest, recoveries=3)

    def test_network_ends_last(self):
        """The guest is done, ckpt-netd has the rest; ckptd dies meanwhile."""
        guest, client = self.settling()
        self.daemon.kill()
        self.daemon.start()
        guest.wait_state("ending")
        self.check_whole(client)
        self.check_ended(guest, recoveries=0)


class Stop(UserTest):
    """Ended from outside, in good order."""

    def test_stop_delivers(self):
        """`stop` when a slow client lacks much of the answer: it waits, says
        so, and the client gets all; a second one changes nothing."""
        guest, client = self.ending()
        stops = [self.daemon.begin_ctl("stop", "-t", "1", "guest")
                 for _ in range(2)]
        said = stops[0].stderr.readline()
        self.assertIn("have not taken all", said)
        self.assertEqual(guest.status()["state"], "ending")
        self.check_whole(client)
        for stop in stops:
            self.assertEqual(stop.wait(60), 0, stop.communicate())
        self.assertEqual(guest.status()["state"], "stopped")

    def test_program_is_told(self):
        """SIGTERM ends a program that has answered, and one that finishes
        its answer first."""
        for how, size in (("term", 300000), ("handle", 300000)):
            guest, address = self.start()
            client = self.client(address, how, size, SLOW)
            guest.wait_log("answered")
            stop = self.daemon.begin_ctl("stop", "guest")
            self.check_whole(client)
            self.assertEqual(stop.wait(60), 0, stop.communicate())
            self.assertEqual(guest.status()["state"], "stopped")
            self.daemon.ctl("rm", "guest")


class Cut(UserTest):
    """Whatever else takes a guest away resets its connections."""

    def test_kill_resets(self):
        """`kill` of a guest that runs, that is ending, or whose network has
        the rest."""
        for begin in (self.answering, self.ending, self.settling):
            guest, client = begin()
            self.daemon.ctl("kill", "guest")
            self.check_cut(client)
            self.assertEqual(guest.status()["state"], "stopped")
            self.daemon.ctl("rm", "guest")

    def test_power_off_resets(self):
        """A program that does not end by SIGTERM in time, and `rm -f`."""
        for verb in (("stop", "-t", "0"), ("rm", "-f")):
            _, client = self.answering()
            self.daemon.ctl(*verb, "guest")
            self.check_cut(client)
            if verb[0] == "stop":
                self.daemon.ctl("rm", "guest")

    def test_death_of_the_network_resets(self):
        """SIGKILL or SIGTERM to ckpt-netd, also when it is all that is left."""
        for begin in (self.answering, self.ending, self.settling):
            for number in (signal.SIGKILL, signal.SIGTERM):
                guest, client = begin()
                pid = guest.status()["netd_pid"]
                os.kill(pid, number)
                # Who reads earlier may get the rest from it.
                wait_for(lambda pid=pid: not process_alive(pid), 60,
                         "ckpt-netd ends")
                self.check_cut(client)
                self.daemon.ctl("rm", "-f", "guest")

    def test_death_of_the_network_ends_qemu(self):
        """A1: the guest may not go on as if its connections were there. It
        begins again from its last checkpoint, with a new ckpt-netd."""
        guest, client = self.answering()
        before = guest.status()
        os.kill(before["netd_pid"], signal.SIGKILL)
        after = guest.wait_recovered(1)
        self.assertNotEqual(after["qemu_pid"], before["qemu_pid"])
        self.assertNotEqual(after["netd_pid"], before["netd_pid"])
        self.check_cut(client)

    def test_given_up_resets(self):
        """A guest that cannot be recovered."""
        guest, client = self.answering()

        def given_up():
            status = guest.status()
            if status["qemu_pid"]:
                os.kill(status["qemu_pid"], signal.SIGKILL)
            return status["state"] == "failed"
        wait_for(given_up, 120, "given up")
        self.check_cut(client)


class Tap(EndingTest):
    """No ckpt-netd is between: the guest's own TCP, and silence after it."""

    buffer = 65536

    def start(self, programs=1):
        options = ["--memory", "64", "--net", "tap,bridge=br0"]
        argv = []
        for number in range(programs):
            options += ["--ip", f"10.77.0.{9 + number}/24"]
            argv += ["--", PROGRAMS / "endings-musl", str(PORT)]
        guest = self.daemon.run(*argv, options=self.guest_options(*options))
        wait_for(lambda: guest.logs().count("ready") == programs, 120,
                 "all programs ready")
        return guest

    def client(self, how, size, address="10.77.0.9"):
        return Client(self.clients, (address, PORT), how, size, self.buffer)

    def test_answers_arrive(self):
        """A slow client gets all, over kills of QEMU while it is ending."""
        guest = self.start()
        client = self.client("close", 500000)
        guest.wait_state("ending")
        self.kill_while_ending(guest, 2)
        self.check_whole(client)
        self.check_ended(guest, recoveries=2)

    def test_processes_end_for_themselves(self):
        """Of two programs in a guest one ends with much of its answer under
        way, while the other one serves; then that one ends too."""
        guest = self.start(programs=2)
        first = self.client("close", 500000)
        guest.wait_log("answered")
        self.assertEqual(guest.status()["state"], "running")
        self.check_whole(self.client("leave", 20, "10.77.0.10"))
        guest.wait_state("ending")
        self.check_whole(first)
        self.check_ended(guest)

    def test_kill_is_no_end(self):
        """After `kill` a client has no end of the stream."""
        self.start()
        client = self.client("close", BIG)
        client.read(self.buffer)
        self.daemon.ctl("kill", "guest")
        client.conn.settimeout(1)
        with self.assertRaises((TimeoutError, ConnectionResetError)):
            while client.read(1 << 18):
                pass
            self.fail(f"FIN after {len(client.got)} bytes")
        client.conn.close()
