# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP of a guest against Linux', on a network that is bad, with slow ends,
and with kills: every byte arrives, once and in its place.

The program is tests/guest/programs/bulk.c, its clients are harness/bulk.py.
They reach the bridge by a cable that loses, doubles and delays frames.  The
same under the library alone: tests/libc-linux/net/check-tcp.
"""

import random
import socket

from base import CLIENTS, PROGRAMS, wait_for
from harness.bulk import (
    Bulk, expect_pattern, read_all, send_pattern, together)
from harness.killer import Killer
from harness.relay import HOST, NETWORK, Relay
from harness.wire import TCP_FIN, TCP_SYN, tcp_flags, tcp_ports
from test_tap import GUESTS, TapTest

PORT = 7000
# Little: each checkpoint is compared with all of it.
MEMORY_MIB = 32
SEGMENT = 1460
SIZE = 50000    # of a way, in bytes: each round trip is a checkpoint
BAD = ({"loss": 0.03}, {"double": 0.1}, {"late": 0.1},
       {"loss": 0.02, "double": 0.03, "late": 0.05})


def is_fin(_, frame):
    return bool((tcp_flags(frame) or 0) & TCP_FIN)


def is_last_of_handshake(number, frame):
    """What the client sends behind its SYN and before its end."""
    flags = tcp_flags(frame)
    return number == HOST and flags is not None and \
        not flags & (TCP_SYN | TCP_FIN)


class BadNetworkTest(TapTest):
    """One guest, which checks each of its checkpoints (verify=on)."""

    def setUp(self):
        super().setUp()
        self.relay = Relay(self.network, self.clients, f"{CLIENTS}/24")
        self.addCleanup(self.relay.close)
        self.guest = self.daemon.run(
            PROGRAMS / "bulk-musl", PORT, name="bulk",
            options=[*self.tap_options(), "--memory", MEMORY_MIB])
        self.bulk = Bulk((GUESTS[0], PORT), self.clients, deadline_s=120)
        wait_for(self.answers, 60, "the program listens")
        self.kills = 0

    def answers(self):
        try:
            return self.bulk.ask("halves")
        except OSError:
            return None

    def kill(self):
        """QEMU, until the guest is back."""
        self.guest.kill_qemu()
        self.kills += 1
        self.guest.wait_recovered(self.kills)

    def killer(self):
        return Killer(self.guest, random.Random(self.seed), 0.5, 1.5)

    def until_killed(self, killer):
        """Go on until QEMU has been killed, on a quick machine too."""
        while not killer.kills and not killer.problem:
            self.bulk.all_ways(SIZE)


class BadNetwork(BadNetworkTest):
    """A bad cable and slow ends."""

    def test_loss_doubles_reordering(self):
        """Frames are lost, come twice and overtake each other, both ways,
        and QEMU is killed all the while."""
        with self.killer() as killer:
            for how in BAD:
                self.relay.set(self.random.randrange(1 << 30), **how)
                self.bulk.all_ways(SIZE)
            self.until_killed(killer)
        self.log.info("%d lost, %d doubled, %d late; %d kills",
                      self.relay.lost, self.relay.doubled,
                      self.relay.reordered, killer.kills)
        self.assertGreater(self.relay.lost, 0)
        self.assertGreater(self.relay.doubled, 0)
        self.assertGreater(self.relay.reordered, 0)
        self.assertGreater(killer.kills, 0)

    def test_slow_ends(self):
        """Windows that shut and open at the guest, at its peers and at both,
        and some that stay shut for a while, on a bad cable; with kills."""
        self.relay.set(self.seed, loss=0.01, double=0.01, late=0.02)
        with self.killer() as killer:
            together(lambda: self.bulk.slow(2 * SIZE),
                     lambda: self.bulk.not_read(2, 2 * SIZE),
                     lambda: self.bulk.half_closed(2, 2 * SIZE),
                     lambda: self.bulk.not_read(0.3, SIZE),
                     lambda: self.bulk.half_closed(0.3, SIZE))
        self.log.info("%d kills", killer.kills)
        self.assertGreater(killer.kills, 0)


class HalfCloses(BadNetworkTest):
    """Either end has said all; QEMU dies in each state that there is."""

    def wait_held(self, conn, *ends):
        """Until the cable keeps frames of a connection from just these ends:
        the FINs."""
        port = conn.getsockname()[1]
        wait_for(lambda: {number for number, frame in self.relay.held
                          if port in tcp_ports(frame)} == set(ends), 60,
                 "FINs are under way")

    def test_peer_ends_first(self):
        """The guest's program answers for long to who has ended, and is then
        the last to end (CLOSE_WAIT, LAST_ACK)."""
        with self.bulk.open(f"source {SIZE} 0", receive_bytes=8192) as conn:
            conn.shutdown(socket.SHUT_WR)
            self.kill()
            got = conn.recv(SIZE)
            self.relay.hold(is_fin)
            while len(got) < SIZE - SEGMENT:    # the last has the FIN
                got += conn.recv(SIZE)
            self.wait_held(conn, NETWORK)
            self.kill()
            self.relay.release()
            expect_pattern(got + read_all(conn), SIZE)

    def test_guest_ends_first(self):
        """The program has ended its direction, and hears its peer for long
        (FIN_WAIT_1, FIN_WAIT_2)."""
        self.relay.hold(is_fin)
        with self.bulk.open("half 1000") as conn:
            self.wait_held(conn, NETWORK)
            self.kill()
            send_pattern(conn, SIZE)
            self.relay.release()
            expect_pattern(read_all(conn), 1000)
            self.kill()
            send_pattern(conn, SIZE, start=SIZE)
            self.kill()
            conn.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(conn), b"")
        wait_for(lambda: self.bulk.ask("halves") == [1, 2 * SIZE, 0], 60,
                 "all of it arrived")

    def test_both_end_at_once(self):
        """The two ends' FINs pass each other (CLOSING)."""
        self.relay.hold(is_fin)
        with self.bulk.open("half 1000") as conn:
            conn.shutdown(socket.SHUT_WR)
            self.wait_held(conn, HOST, NETWORK)
            self.kill()
            self.relay.release()
            expect_pattern(read_all(conn), 1000)
        wait_for(lambda: self.bulk.ask("halves") == [1, 0, 0], 60,
                 "the program has seen the end")

    def test_peer_ends_before_it_has_begun(self):
        """The FIN is the first that the guest sees behind the SYN (SYN_RCVD);
        then everybody ends at once."""
        self.relay.hold(is_last_of_handshake)
        with self.bulk.open() as conn:
            self.kill()
            conn.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(conn), b"")
            self.kill()
            self.relay.release()

    def test_bad_network(self):
        """All ways to end, again and again, on a bad cable, with kills."""
        self.relay.set(self.seed, loss=0.03, double=0.03, late=0.05)
        rounds, size = 3, 6000

        def guest_first():
            for _ in range(rounds):
                self.bulk.server_ends_first(size, size)

        def peer_first():
            for _ in range(rounds):
                self.bulk.half_closed(0, size)
                self.bulk.give(size)

        def at_once():
            for _ in range(rounds):
                with self.bulk.open("half 1000") as conn:
                    conn.shutdown(socket.SHUT_WR)
                    expect_pattern(read_all(conn), 1000)
        with self.killer() as killer:
            together(guest_first, peer_first, at_once)
        wait_for(lambda: self.bulk.ask("halves") ==
                 [2 * rounds, rounds * size, 0], 60, "all of it arrived")
        self.log.info("%d kills", killer.kills)
