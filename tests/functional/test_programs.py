# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's programs, and the checks that they come with.

What they check is theirs to know; that QEMU dies meanwhile they do not.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import socket
import subprocess

from base import PROGRAMS, SluiceTest, free_port, wait_for
from harness.factors import PYTHON, directories
from harness.killer import Killer
from harness.own_checks import (MEMCACHED_CHECKS, REDIS_CHECKS,
                                memcached_check, redis_check, rust_check)

BUSYBOX = "/bin/busybox"
OWN_TESTS = pathlib.Path(__file__).with_name("own_tests.py")
MEMCACHED = (PROGRAMS / "memcached", "-u", "root", "-U", "11211")
RUST_SERVER = PROGRAMS / "rust-server"
GUEST_PORT = 7000


def serves(port):
    """Whether memcached answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"version\r\n")
            return sock.recv(100).startswith(b"VERSION")
    except OSError:
        return False


class Servers(SluiceTest):
    """Their checks are the clients."""

    timeout = 900

    def killed(self, guest, **times):
        return Killer(guest, self.random, **times)

    def test_redis_own_checks(self):
        """Redis' own tests find nothing while its QEMU dies every second or
        two.  No self-check: its pause at each of these many epochs would be
        most of the time."""
        guest, port = self.start_redis(verify=False)
        passed, failed = 0, {}
        with self.killed(guest) as killer:
            for name in REDIS_CHECKS:
                found = redis_check(name, "127.0.0.1", port)
                passed += found.passed
                if found.failed:
                    failed[name] = found.failed
        self.log.info("passed=%d kills=%d", passed, killer.kills)
        self.assertEqual(failed, {})
        self.assertGreater(passed, 300)
        self.assertGreater(killer.kills, 0)

    def check_memcached(self, name):
        port = free_port()
        guest = self.daemon.run(
            *MEMCACHED, name="memcached", ports=[(port, 11211)],
            options=self.guest_options("--memory", 128, verify=False))
        wait_for(lambda: serves(port), 60, "memcached answers")
        with self.killed(guest, least_s=0.05, most_s=0.5) as killer:
            found = memcached_check(name, "127.0.0.1", port)
        self.daemon.ctl("kill", guest.name)
        self.daemon.ctl("rm", guest.name)
        return found, killer.kills

    def test_memcached_own_checks(self):
        """Each of them wants a server that nobody has used; its QEMU dies
        within the first half second."""
        failed, kills = {}, 0
        for name in MEMCACHED_CHECKS:
            found, killed = self.check_memcached(name)
            kills += killed
            if found.failed or not found.passed:
                failed[name] = found.failed
                self.log.info("%s: %s", name, found.failed)
        self.assertEqual(failed, {})
        self.assertGreater(kills, 0)

    def test_rust_threads_and_channels(self):
        """A server of Rust's standard library: nothing wrong, no connection
        lost, no question answered twice, while its QEMU is killed."""
        port = free_port()
        guest = self.daemon.run(RUST_SERVER, GUEST_PORT, name="rust",
                                ports=[(port, GUEST_PORT)],
                                options=self.guest_options())
        guest.wait_log("ready", 120)
        with self.killed(guest, least_s=0.2, most_s=1.0) as killer, \
                concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = sum(pool.map(
                lambda client: rust_check("127.0.0.1", port, client),
                range(8)))
        with socket.create_connection(("127.0.0.1", port), 120) as sock, \
                sock.makefile("rw") as file:
            file.write("count\n")
            file.flush()
            self.assertEqual(int(file.readline()), asked)
        self.assertGreater(killer.kills, 0)


class Filters(SluiceTest):
    """Programs that read files and write what they make of them."""

    TEXT = "/usr/share/common-licenses/GPL-3"
    # What each makes of TEXT, or of nothing.
    APPLETS = (
        ("sha512sum", TEXT), ("md5sum", TEXT), ("wc", TEXT),
        ("sort", "-u", TEXT), ("nl", TEXT), ("tac", TEXT), ("od", "-x", TEXT),
        ("grep", "-n", "-i", "free.*software", TEXT),
        ("sed", "-n", "s/[aeiou]/<&>/gp;$=", TEXT), ("fold", "-w", "31", TEXT),
        ("awk", "{ for (i = 1; i <= NF; i++) n[$i]++ } "
         "END { for (w in n) if (n[w] > 9) print w, n[w] * 3.5 }",
         TEXT),
        ("awk", "BEGIN { for (i = 0; i < 3000; i++) x = x * 7 % 997 + i; "
         "printf \"%d %.12g %s\\n\", x, 1 / 3, toupper(\"end\") }"),
        ("seq", "1", "7", "2000"), ("factor", "600851475143"),
        ("printf", "%5.2f|%-8s|%x\\n", "3.14159", "left", "255"),
        ("find", "/usr/share/common-licenses", "-type", "f"))

    def test_applets_say_what_they_say_on_linux(self):
        for number, words in enumerate(self.APPLETS):
            native = subprocess.run([BUSYBOX, *words], capture_output=True,
                                    text=True, check=True).stdout
            guest = self.daemon.run(
                BUSYBOX, *words, name=f"applet{number}",
                options=self.guest_options("--file", self.TEXT))
            status = guest.wait_state("exited", 120)
            said = [line for line in guest.logs().splitlines()
                    if not line.startswith("kernel: ")]
            if words[0] == "find":      # of that directory, one came along
                native = f"{self.TEXT}\n"
            self.assertEqual((said, status["exit_status"]),
                             (native.splitlines(), 0), words)


class Python(SluiceTest):
    """CPython's own tests of what stands on the system."""

    timeout = 900

    def setUp(self):
        library = directories()[1]
        if not os.path.exists(f"{library}/test/test_epoll.py"):
            self.cancel(f"{library} came without its tests")
        super().setUp()

    def run_own_tests(self, name, *modules, kill=False):
        guest = self.daemon.run(
            PYTHON, "/srv/own_tests.py", *modules, name=name,
            options=self.guest_options(
                "--memory", 768, *directories()[:2],
                "--file", f"{OWN_TESTS}:/srv/own_tests.py", verify=False))
        guest.wait_log("running", 120)
        with contextlib.ExitStack() as stack:
            if kill:
                stack.enter_context(Killer(guest, self.random))
            status = guest.wait_state("exited", 300)
        self.assertEqual(status["exit_status"], 0, guest.logs()[-4000:])

    def test_own_tests_of_waiting_and_time(self):
        self.run_own_tests("waiting", "test_epoll", "test_select", "test_poll",
                           "test_timeout", "test_time", "test_struct")

    def test_own_tests_of_selectors_with_kills(self):
        """They count file descriptors, events and milliseconds."""
        self.run_own_tests("selectors", "test_selectors", "test_epoll",
                           kill=True)
