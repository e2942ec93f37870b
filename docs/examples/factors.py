# SPDX-License-Identifier: GPL-2.0-or-later
"""A service with a long start-up: it imports the whole of sympy.

Answers each line of a TCP connection by one line, one client at a time:
  factor NUMBER   its prime factors
  random          numbers that no two starts from one checkpoint have in common,
                  and two that all of them do: NAME=HEX ...

Listens on the port that is its argument (7000), in a guest by the interpreter
of python.c.  Says "ready" when it does.
"""

import os
import random
import secrets
import socketserver
import sys
import uuid

import sympy

import sluice

# Drawn before any checkpoint that is taken of the service: what is in memory
# then is in the memory of all that start there.
IMPORTED = uuid.uuid4()
CARELESS = random.Random()


class Careful:
    """Python's own generator, with a seed of each line's own."""

    def __init__(self):
        self.generator = random.Random()
        self.seeded_in = sluice.line()

    def draw(self):
        if self.seeded_in != sluice.line():
            self.seeded_in = sluice.line()
            self.generator.seed()       # from os.urandom()
        return self.generator.getrandbits(64)


CAREFUL = Careful()


def factor(number):
    return " ".join(map(str, sympy.factorint(int(number), multiple=True)))


def draw():
    return (f"urandom={os.urandom(16).hex()} secrets={secrets.token_hex(16)} "
            f"uuid4={uuid.uuid4().hex} careful={CAREFUL.draw():016x} "
            f"careless={CARELESS.getrandbits(64):016x} "
            f"imported={IMPORTED.hex}")


VERBS = {"factor": factor, "random": draw}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            verb, *words = line.decode().split() or ("",)
            try:
                reply = VERBS[verb](*words)
            except (KeyError, TypeError, ValueError) as error:
                reply = f"error: {error}"
            self.wfile.write(f"{reply}\n".encode())


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 7000
    with socketserver.TCPServer(("", port), Handler) as server:
        print(f"ready, with {len(sys.modules)} modules", flush=True)
        server.serve_forever()
