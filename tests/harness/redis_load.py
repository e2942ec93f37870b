# SPDX-License-Identifier: GPL-2.0-or-later
"""Redis clients that know what every reply has to be.

Each connection is opened once and owns its keys, so that all it will ever read
follows from what it has sent: INCR answers count up by one (anything else is a
repeated or a skipped execution), and a GET shows the last SET before it in the
same stream (anything else is a lost write).  A connection that breaks is never
opened again: it counts as not kept.
"""

import asyncio
import random
import socket
import threading
import time

from .resp import ReplyError, command, read_reply
from .waiting import Timeout, wait_for

KEYS_PER_CONNECTION = 32


class Result:
    """What a load has seen; all counters, over all connections."""

    def __init__(self, connections):
        self.connections = connections
        self.acknowledged = 0   # writes answered: INCR and SET
        self.lost = 0
        self.duplicated = 0
        self.broken = []        # one reason per connection that broke
        self.problems = []      # the first few, in words
        self.recovery_ms = []   # one per mark()

    @property
    def kept(self):
        return self.connections - len(self.broken)

    @property
    def ok(self):
        return not (self.lost or self.duplicated or self.broken)

    def problem(self, text):
        if len(self.problems) < 20:
            self.problems.append(text)


class Connection:
    """One client: a closed loop of pipelines of random length."""

    def __init__(self, load, number):
        self.load = load
        self.number = number
        self.counter = 0            # last INCR sent
        self.values = {}            # key -> last SET sent
        self.random = random.Random(load.seed * 1000 + number)
        self.reader = self.writer = None

    def _counter_key(self):
        return f"{self.load.prefix}:{self.number}:counter"

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(
            self.load.host, self.load.port, limit=1 << 20)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _value(self, serial):
        """Values grow with the run, up to a few segments, and name themselves."""
        length = 16 + min(serial, 6000) * self.random.randint(0, 2) // 2
        text = f"{self.number}:{serial}:".encode()
        return text + b"x" * max(0, length - len(text))

    def _pipeline(self):
        """A list of (request bytes, kind, what the reply has to be)."""
        todo = []
        for _ in range(self.random.randint(1, self.load.pipeline)):
            kind = self.random.choice(("incr", "set", "get"))
            key = "{}:{}:k{}".format(self.load.prefix, self.number,
                                     self.random.randrange(KEYS_PER_CONNECTION))
            if kind == "incr":
                self.counter += 1
                todo.append((command("INCR", self._counter_key()), kind,
                             self.counter))
            elif kind == "set":
                value = self._value(self.counter)
                self.values[key] = value
                todo.append((command("SET", key, value), kind, "OK"))
            else:
                todo.append((command("GET", key), kind, self.values.get(key)))
        return todo

    def _check(self, kind, expected, reply):
        result = self.load.result
        if kind in ("incr", "set"):
            result.acknowledged += 1
        if reply == expected:
            return
        if kind == "incr":
            result.duplicated += 1
            self.counter = reply if isinstance(reply, int) else self.counter
        else:
            result.lost += 1
        result.problem(f"connection {self.number}: {kind} answered "
                       f"{reply!r:.60}, expected {expected!r:.60}")

    async def run(self, until):
        while time.monotonic() < until:
            todo = self._pipeline()
            sent = time.monotonic()
            self.writer.write(b"".join(request for request, _, _ in todo))
            await self.writer.drain()
            for _, kind, expected in todo:
                reply = await asyncio.wait_for(read_reply(self.reader),
                                               self.load.reply_timeout_s)
                self._check(kind, expected, reply)
            self.load.answered(sent)

    async def check_all(self):
        """Read back all that this connection ever wrote."""
        keys = list(self.values)
        requests = [command("GET", key) for key in keys]
        requests.append(command("GET", self._counter_key()))
        self.writer.write(b"".join(requests))
        for key in keys:
            reply = await asyncio.wait_for(read_reply(self.reader),
                                           self.load.reply_timeout_s)
            if reply != self.values[key]:
                self.load.result.lost += 1
                self.load.result.problem(f"at the end {key} is {reply!r:.60}")
        reply = await asyncio.wait_for(read_reply(self.reader),
                                       self.load.reply_timeout_s)
        if self.counter and reply != b"%d" % self.counter:
            self.load.result.lost += 1
            self.load.result.problem(
                f"at the end counter {self.number} is {reply!r}, "
                f"not {self.counter}")


class RedisLoad:
    """Runs the clients in a thread of its own.

    mark() is called right after a fault: the time from the fault to the first
    answer to something sent after mark() is one entry of result.recovery_ms.
    What was sent before may still be answered by the one that died.
    With @on (a Namespace of hosts.py) the clients are on that host.
    """

    def __init__(self, port, host="127.0.0.1", connections=16, pipeline=8,
                 seed=1, prefix="load", reply_timeout_s=60, on=None):
        self.host, self.port, self.on = host, port, on
        self.pipeline, self.seed, self.prefix = pipeline, seed, prefix
        self.reply_timeout_s = reply_timeout_s
        self.result = Result(connections)
        self._connections = [Connection(self, i) for i in range(connections)]
        self._mark = None
        self._recovered = threading.Event()
        self._recovered.set()
        self._opened = threading.Event()
        self._last_answer = self._silence = 0
        self._thread = None
        self._seconds = self._until = 0

    def mark(self, fault=None):
        """The fault was at the monotonic time @fault, or is now."""
        now = time.monotonic()
        self._recovered.clear()
        self._mark = (fault or now, now)

    def listen(self):
        """Measure how long no client gets an answer, from now on."""
        self._last_answer, self._silence = time.monotonic(), 0

    def silence_ms(self):
        """The longest time without any answer since listen()."""
        return self._silence * 1000

    def answered(self, sent):
        now = time.monotonic()
        self._silence = max(self._silence, now - self._last_answer)
        self._last_answer = now
        if self._mark is None:
            return
        fault, mark = self._mark
        if sent > mark:
            self._mark = None
            self.result.recovery_ms.append((time.monotonic() - fault) * 1000)
            self._recovered.set()

    def wait_recovered(self, timeout_s):
        """Return: whether an answer came after the last mark()."""
        return self._recovered.wait(timeout_s)

    def wait_acknowledged(self, count, timeout_s=120):
        """Until @count more writes are acknowledged, or a client broke."""
        target = self.result.acknowledged + count
        wait_for(lambda: self.result.acknowledged >= target
                 or self.result.broken, timeout_s, f"{count} more writes")

    def fill(self, count, length):
        """Have redis remember @count values of @length bytes, before start()."""
        async def run():
            reader, writer = await asyncio.open_connection(
                self.host, self.port, limit=1 << 20)
            for number in range(count):
                writer.write(command("SET", f"{self.prefix}:fill:{number}",
                                     random.Random(number).randbytes(length)))
                await writer.drain()
                await asyncio.wait_for(read_reply(reader),
                                       self.reply_timeout_s)
            writer.close()

        if self.on:
            self.on.call(lambda: asyncio.run(run()))
        else:
            asyncio.run(run())

    def know(self, other):
        """Expect what the clients of @other, which has ended, had written."""
        for mine, theirs in zip(self._connections, other._connections):
            mine.counter, mine.values = theirs.counter, dict(theirs.values)

    def stop(self):
        """End the load early; finish() still checks everything."""
        self._until = 0

    async def _guard(self, connection, coroutine):
        try:
            await coroutine
            return True
        except (OSError, EOFError, ReplyError, ValueError,
                asyncio.TimeoutError) as error:
            text = f"connection {connection.number}: " \
                   f"{type(error).__name__} {error}"
            self.result.broken.append(text)
            self.result.problem(text)
            return False

    async def _client(self, connection):
        while time.monotonic() < self._until:
            if not await self._guard(connection, connection.run(
                    min(self._until, time.monotonic() + 0.2))):
                return
        await self._guard(connection, connection.check_all())
        connection.writer.close()

    async def _main(self):
        for connection in self._connections:
            if not await self._guard(connection, connection.open()):
                connection.reader = None
        self._until = time.monotonic() + self._seconds
        self._opened.set()
        await asyncio.gather(*(self._client(c) for c in self._connections
                               if c.reader))

    def _run(self):
        if self.on:
            self.on.enter()
        asyncio.run(self._main())

    def start(self, seconds):
        """Open the connections, then load for @seconds from there on."""
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._opened.wait(self.reply_timeout_s):
            raise Timeout("the connections did not open in time")

    def finish(self, timeout_s=120):
        """Wait for the clients to end and return the Result."""
        self._thread.join(max(0, self._until - time.monotonic()) + timeout_s)
        if self._thread.is_alive():
            self.result.broken.append("the load did not end in time")
        return self.result
