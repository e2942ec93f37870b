# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own netdevs with ckpt-nic: what a kill of QEMU leaves of connections.

docs/networks.md says it in words, and why.
"""

import socket

from base import (REDIS, BridgeTest, RedisLoad, SluiceTest, free_port,
                  wait_for)
from harness.by_hand import ByHand, Netd
from harness.plug import Plug

GUEST = "10.77.0.9"


class NetdevTest(SluiceTest):
    """Redis by hand, on some netdev."""

    def start_redis_on(self, netdev, **keywords):
        guest = ByHand(self.daemon, *REDIS, name="redis", netdev=netdev,
                       **keywords).start()
        guest.wait_log("Ready to accept connections", 120)
        return guest

    def kill_under_load(self, guest, load):
        """Three kills; every connection is kept."""
        load.start(3600)
        for _ in range(3):
            load.wait_acknowledged(200)
            guest.crash_and_start(load)
            self.assertTrue(load.wait_recovered(60))
        load.stop()
        self.check_load(load)

    @staticmethod
    def ask(client, words):
        client.sendall(words + b"\r\n")
        return client.recv(100)

    def check_ended(self, client):
        """Whoever ended this connection says so."""
        try:
            self.assertEqual(self.ask(client, b"PING"), b"")
        except ConnectionError:
            pass

    def check_value(self, port, expected):
        """A new connection finds what was there."""
        def ask():
            try:
                with socket.create_connection(("127.0.0.1", port), 60) as client:
                    return self.ask(client, b"GET key")
            except ConnectionError:
                return None
        self.assertEqual(wait_for(ask, 60, "a new connection"), expected)


class OnTheHost(NetdevTest):
    """TCP ends on this host, or a process carries frames."""

    def test_user_loses_connections_and_nothing_else(self):
        """-netdev user: the peers of a killed QEMU see the end of their
        connections; the guest has what they wrote, and serves new ones."""
        port = free_port()
        guest = self.start_redis_on(
            f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:6379")
        for number in range(2):
            with socket.create_connection(("127.0.0.1", port), 60) as client:
                self.assertEqual(self.ask(client, b"SET key %d" % number),
                                 b"+OK\r\n")
                guest.crash_and_start()
                self.check_ended(client)
            self.check_value(port, b"$1\r\n%d\r\n" % number)
        self.assertEqual(guest.status()["recoveries"], 2)

    def plugged(self, port):
        """A switch of two ports: a TCP port for QEMU, ckpt-netd behind it."""
        netd = Netd(self.daemon.directory, [(port, 6379)])
        self.addCleanup(netd.close)
        plug = Plug(netd.socket)
        self.addCleanup(plug.close)
        return plug

    def test_socket_connect_keeps_connections(self):
        """-netdev socket,connect= to a switch that takes the next QEMU."""
        port = free_port()
        plug = self.plugged(port)
        guest = self.start_redis_on(
            f"socket,id=n0,connect=127.0.0.1:{plug.port}")
        self.kill_under_load(guest, RedisLoad(port, seed=self.seed))

    def test_stream_over_tcp_keeps_connections(self):
        """-netdev stream,server=off over TCP, likewise."""
        port = free_port()
        plug = self.plugged(port)
        guest = self.start_redis_on(
            "stream,id=n0,server=off,addr.type=inet,addr.host=127.0.0.1,"
            f"addr.port={plug.port}")
        self.kill_under_load(guest, RedisLoad(port, seed=self.seed))

    def test_stream_reconnects_to_the_next_netd(self):
        """ckpt-netd dies: its connections end, the guest goes on, and with
        reconnect-ms= serves by the next ckpt-netd."""
        port = free_port()
        netd = Netd(self.daemon.directory, [(port, 6379)])
        guest = self.start_redis_on(
            "stream,id=n0,server=off,addr.type=unix,"
            f"addr.path={netd.socket},reconnect-ms=100")
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            self.assertEqual(self.ask(client, b"SET key 7"), b"+OK\r\n")
            netd.process.kill()
            netd.process.wait()
            self.check_ended(client)
        self.addCleanup(Netd(self.daemon.directory, [(port, 6379)]).close)
        self.check_value(port, b"$1\r\n7\r\n")
        self.assertEqual(guest.status()["recoveries"], 0)


    def test_netd_ends_when_nobody_comes(self):
        """ckpt-netd --linger: not while a QEMU is connected."""
        netds = []
        for name in ("connected", "deserted"):
            directory = self.daemon.directory / name
            directory.mkdir()
            netds.append(Netd(directory, more=("--linger", "1")))
            self.addCleanup(netds[-1].close)
            if name == "connected":
                qemu = socket.socket(socket.AF_UNIX)
                qemu.connect(str(netds[0].socket))
        self.assertEqual(netds[1].process.wait(20), 0)
        self.assertIsNone(netds[0].process.poll())
        qemu.close()
        self.assertEqual(netds[0].process.wait(20), 0)
        self.assertFalse(netds[0].socket.exists())


class OnABridge(NetdevTest, BridgeTest):
    """TCP ends in the guest; its clients are on another host."""

    def kill_on(self, netdev):
        guest = self.start_redis_on(netdev, net=f"{GUEST}/24")
        load = RedisLoad(6379, host=GUEST, on=self.clients, seed=self.seed,
                         connections=8, pipeline=4)
        self.kill_under_load(guest, load)

    def test_tap_made_before_keeps_connections(self):
        """-netdev tap,ifname=: the interface outlives QEMU."""
        self.sluice.ip("tuntap", "add", "mode", "tap", "dev", "tap0")
        self.sluice.ip("link", "set", "tap0", "master", "br0", "up")
        self.kill_on("tap,id=n0,ifname=tap0,script=no,downscript=no")
        self.assertIn("tap0", self.sluice.links())

    def test_bridge_helper_keeps_connections(self):
        """-netdev bridge: each QEMU has an interface of its own, and none is
        left."""
        self.sluice.allow_bridge("br0")
        before = self.sluice.links()
        self.kill_on("bridge,id=n0,br=br0,"
                     f"helper={self.sluice.BRIDGE_HELPER}")
        self.daemon.by_hand[0].close()
        wait_for(lambda: self.sluice.links() == before, 20,
                 "the interface is gone")
