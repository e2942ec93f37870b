# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks that other people's servers come with, against one that runs.

The server may be anywhere that @host and @port lead to: in a guest, under the
library on Linux, or on Linux itself.
"""

import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass

from .daemon import ROOT, free_port

MEMCACHED_TREE = ROOT / "build" / "memcached-src"
REDIS_TREE = ROOT / "build" / "redis-src"

# Those of memcached's that ask a server that they did not start: the others
# want options of their own, or look into the process.
MEMCACHED_CHECKS = (
    "binary-get", "bogus-commands", "cas", "flags", "incrdecr", "issue_104",
    "issue_108", "issue_152", "issue_29", "issue_3", "issue_42", "issue_68",
    "issue_70", "line-lengths", "malicious-commands", "multiversioning",
    "noreply", "quit", "stats-detail", "strtol-testing", "watcher_connid")
# These wait until something has expired by the server's clock.  A crash takes
# back the time since the last checkpoint: with one after the other the clock
# of a guest is far behind the client's.
MEMCACHED_WAITING_CHECKS = ("getandtouch", "issue_14", "issue_163",
                            "issue_192", "touch")

# Those of Redis' that need neither a server of their own nor fork().
REDIS_CHECKS = (
    "unit/type/incr", "unit/multi", "unit/pubsub", "unit/scripting",
    "unit/quit", "unit/tracking", "unit/introspection-2")
# This one asks to some milliseconds when keys expire.
REDIS_WAITING_CHECKS = ("unit/expire",)

# Its runner wants a port, another one below and one that is 10000 higher.
PORTS_FROM, PORTS = 21000, 9000
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Found:
    """What one check said."""
    passed: int
    failed: list


def run(argv, directory, timeout_s, **environment):
    """Output and exit status; whatever it started ends with it."""
    with subprocess.Popen(argv, cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, **environment), text=True,
                          errors="replace", start_new_session=True) as child:
        try:
            said = child.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said = child.communicate()[0] + f"not done after {timeout_s} s\n"
    return said, child.returncode


def memcached_check(name, host, port, timeout_s=120):
    """One file of memcached's t/ against a server that is fresh."""
    said, status = run(["perl", "-I", "t/lib", f"t/{name}.t"], MEMCACHED_TREE,
                       timeout_s, T_MEMD_USE_DAEMON=f"{host}:{port}")
    failed = re.findall(r"^not ok.*", said, re.M)
    if status and not failed:
        failed = [f"exit status {status}: {said[-500:]}"]
    return Found(len(re.findall(r"^ok\b", said, re.M)), failed)


def redis_check(name, host, port, timeout_s=240):
    """One file of Redis' tests/ against any server."""
    said, status = run(
        ["tclsh", "tests/test_helper.tcl", "--host", host, "--port", str(port),
         "--baseport", str(PORTS_FROM + free_port() % PORTS), "--single", name, "--tags", "-needs:debug -needs:repl -needs:save "
         "-large-memory -needs:config-maxmemory"], REDIS_TREE, timeout_s)
    said = COLOUR.sub("", said)
    failed = re.findall(r"\[(?:err|exception)\].*", said)
    if status and not failed:
        failed = [f"exit status {status}: {said[-500:]}"]
    return Found(len(re.findall(r"\[ok\]", said)), failed)


def rust_check(host, port, client, lines=60):
    """Questions to tests/guest/rust/server.rs on one connection, each answer
    compared.  Return: how many; AssertionError says which was wrong."""
    with socket.create_connection((host, port), 120) as sock, \
            sock.makefile("rw") as file:
        for number in range(lines):
            n = client * 1000 + number
            question, answer = (
                (f"sum {n}", str(n * (n + 1) // 2)), ("panic", "asked for"),
                (f"sleep {number % 7}", "true"))[number % 3]
            file.write(question + "\n")
            file.flush()
            said = file.readline().strip()
            assert said == answer, f"{question}: {said!r}, not {answer!r}"
    return lines
