# SPDX-License-Identifier: GPL-2.0-or-later
"""A Go program under load: its runtime lives on signals, threads and clocks."""

import socket
import ssl
import threading
import time

from base import PROGRAMS, SluiceTest, free_port

GO = PROGRAMS / "busy-go"
GUEST_PORT = 7000
CONNECTIONS = 3
KILLS = 20
PATIENCE_S = 120
COUNTERS = ("spins", "ticks", "talks", "heaps")


class Client(threading.Thread):
    """One TLS connection: line after line, each answered in its turn."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        plain.settimeout(PATIENCE_S)
        self.connection = context.wrap_socket(plain)
        self.lines = self.connection.makefile("r", encoding="ascii")
        self.number = number
        self.answers = 0
        self.counters = {}
        self.problem = None
        self.ending = False

    def ask(self):
        """One line.  Raises what is wrong."""
        line = f"{self.number}.{self.answers}"
        self.connection.sendall(f"{line}\n".encode("ascii"))
        answer = self.lines.readline().split()
        if not answer or answer[0] != line:
            raise ValueError(f"sent {line}, got {answer}")
        self.counters = {name: int(value) for name, value in
                         zip(answer[1::2], answer[2::2])}
        self.answers += 1

    def run(self):
        try:
            while not self.ending:
                self.ask()
        except (OSError, ValueError) as error:
            self.problem = repr(error)

    def finish(self):
        """Wait for the answer that is due, and hang up."""
        self.ending = True
        self.join(PATIENCE_S)
        self.connection.close()


class Go(SluiceTest):
    """tests/guest/go/busy.go"""

    timeout = 1200

    def start_busy(self):
        """Return: the guest, and its clients at work.  It writes all over its
        memory: the self-check, which reads all of it, would take the time."""
        port = free_port()
        guest = self.daemon.run(
            GO, name="busy", ports=[(port, GUEST_PORT)],
            options=self.guest_options(
                "--memory", 128, "--env", "GODEBUG=asyncpreemptoff=0",
                verify=False))
        guest.wait_log("ready", PATIENCE_S)
        clients = [Client(port, number) for number in range(CONNECTIONS)]
        for client in clients:
            client.start()
        return guest, clients

    def wait_progress(self, guest, clients):
        """All clients are answered, and all kinds of work go on."""
        seen = [(client.answers, dict(client.counters)) for client in clients]

        def all_went_on():
            return all(
                client.problem or
                (client.answers > answers + 1 and counters and
                 all(client.counters[kind] > counters[kind]
                     for kind in COUNTERS))
                for client, (answers, counters) in zip(clients, seen))

        guest.wait_status(lambda _: all_went_on(), PATIENCE_S, "progress")
        self.assertEqual([client.problem for client in clients],
                         [None] * len(clients))

    def test_busy_over_kills(self):
        """QEMU killed again and again: no goroutine, timer or connection
        notices, and the program ends by SIGTERM with nothing wrong.  It goes
        on for N minutes by `-p minutes=N`."""
        until = time.monotonic() + \
            60 * float(self.params.get("minutes", default=0))
        guest, clients = self.start_busy()
        for client in clients:
            guest.wait_status(lambda _, c=client: c.counters or c.problem,
                              PATIENCE_S, "an answer")
        kills = 0
        while kills < KILLS or time.monotonic() < until:
            self.wait_progress(guest, clients)
            guest.kill_qemu()
            kills += 1
            guest.wait_recovered(kills)
        self.wait_progress(guest, clients)
        self.log.info("%d kills", kills)
        for client in clients:
            client.finish()
            self.log.info("%d answers, %s", client.answers, client.counters)
            self.assertIsNone(client.problem)
            self.assertEqual(client.counters["wrong"], 0)
        self.daemon.ctl("stop", guest.name)
        self.assertEqual(guest.status()["exit_status"], 0, guest.logs())
        self.log.info("%s", guest.logs())
        self.assertRegex(guest.logs(), r"done: .* wrong 0")
