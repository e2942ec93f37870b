# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/examples/factors.py in a guest: CPython, and a library that it imports
for seconds."""

import socket
import subprocess
import time

from .daemon import PROGRAMS, ROOT
from .waiting import Timeout

PYTHON = PROGRAMS / "python3"
SERVICE = ROOT / "docs" / "examples" / "factors.py"
GUEST_PORT = 7000
MEMORY_MIB = 512            # of which the files take nearly 200
RETRY_S = 0.001
# Its factors are found fast, but not without the library.
NUMBER, FACTORS = 600851475143, "71 839 1471 6857"
# What `random` has to draw anew in every line.
DRAWN_ANEW = ("urandom", "secrets", "uuid4", "careful")


def directories():
    """What the interpreter and the library read, as options of ckptctl."""
    told = subprocess.run(
        [PYTHON, "-c", "import os, sympy, mpmath\n"
         "for module in os, sympy, mpmath:\n"
         "    print(os.path.dirname(module.__file__))"],
        check=True, stdout=subprocess.PIPE, text=True)
    return [word for path in told.stdout.split() for word in ("--dir", path)]


def run_factors(daemon, port, *options, name="factors"):
    """Start the service and wait until it listens; @port of this host leads to
    it.  Nobody asks before: each refusal would be a checkpoint."""
    guest = daemon.run(
        PYTHON, "/srv/factors.py", name=name, ports=[(port, GUEST_PORT)],
        options=["--memory", MEMORY_MIB, *directories(),
                 "--file", f"{SERVICE}:/srv/factors.py", *options])
    guest.wait_log("ready", 120)
    return guest


def ask(port, line, timeout_s=120):
    """The reply to a line, on a connection of its own, when there is one: a
    port of user-mode networking takes connections before its guest does."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port),
                                          timeout_s) as sock, \
                    sock.makefile("rw") as file:
                file.write(f"{line}\n")
                file.flush()
                reply = file.readline()
                if reply.endswith("\n"):
                    return reply.strip()
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise Timeout(f"no reply to {line!r} within {timeout_s} s")
        time.sleep(RETRY_S)


def ask_factors(port, number=NUMBER):
    return ask(port, f"factor {number}")


def draw(port):
    """{kind: what was drawn}, of one request for random numbers."""
    return dict(word.split("=") for word in ask(port, "random").split())
