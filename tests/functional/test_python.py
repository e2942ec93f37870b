# SPDX-License-Identifier: GPL-2.0-or-later
"""CPython with a library that takes long to import, and its named starts."""

from base import SluiceTest, free_port
from harness.factors import (DRAWN_ANEW, FACTORS, GUEST_PORT, PYTHON,
                             ask_factors, directories, draw, run_factors)
from harness.names import name_checkpoint, start_forwarded

# What servers in Python are made of: event loop, threads, files that came along.
SMALL_WORLD = """
import asyncio, concurrent.futures, decimal, tokenize
async def main():
    async def shout(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
    async with await asyncio.start_server(shout, "127.0.0.1", 7000):
        reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
        writer.write(b"hello\\n")
        return (await reader.read()).decode().strip()
print("loop", asyncio.run(main()))
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print("threads", *pool.map(decimal.Decimal, ("0.1", "0.2")))
with tokenize.open(tokenize.__file__) as text:
    print("file", text.readline().strip())
"""


class Python(SluiceTest):
    """docs/examples/factors.py"""

    def start_service(self):
        """When it has answered, so that all is imported.  The self-check, which
        reads all memory for each epoch, would take most of the time."""
        port = free_port()
        guest = run_factors(self.daemon, port,
                            *self.guest_options(verify=False))
        self.assertEqual(ask_factors(port), FACTORS)
        return guest, port

    def test_start_behind_the_import(self):
        """It answers from the library at once, and imports nothing again; what
        it draws is not alike in any two starts, nor in the original nor after
        a rollback, unless it keeps a generator and never seeds it again."""
        guest, port = self.start_service()
        name_checkpoint(guest, "imported")
        drawn = [draw(port)]
        for number in range(3):
            _, at = start_forwarded(guest, "imported", f"fork{number}",
                                    GUEST_PORT)
            self.assertEqual(ask_factors(at), FACTORS)
            drawn.append(draw(at))
        self.daemon.ctl("rollback", f"{guest.name}@imported")
        drawn.append(draw(port))
        for kind in DRAWN_ANEW:
            seen = [each[kind] for each in drawn]
            self.assertEqual(len(set(seen)), len(drawn), (kind, seen))
        for kind in ("imported", "careless"):
            self.assertEqual(len({each[kind] for each in drawn}), 1, kind)

    def test_interpreter(self):
        """The standard library as the distribution has it, by --dir."""
        guest = self.daemon.run(PYTHON, "-c", SMALL_WORLD, name="python",
                                options=self.guest_options(
                                    "--memory", 256, *directories()[:2]))
        self.assertEqual(guest.wait_state("exited", 120)["exit_status"], 0,
                         guest.logs())
        for words in ("loop HELLO", "threads 0.1 0.2",
                      'file """Tokenization help for Python programs.'):
            self.assertIn(words, guest.logs())

    def test_service_survives_kills(self):
        """R1 for an interpreter: nothing of it is aware of a crash."""
        guest, port = self.start_service()
        imported = draw(port)["imported"]
        for number in range(1, 4):
            guest.kill_qemu()
            self.assertEqual(ask_factors(port), FACTORS)
            guest.wait_recovered(number)
            self.assertEqual(draw(port)["imported"], imported)
