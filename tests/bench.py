#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print what a checkpoint costs: distributions and, side by side, ratios.

Everything is measured with output commit on and durable on the disk under
TMPDIR.  "without" is the same guest under --no-checkpoint.  What is compared
is measured in short turns one after the other, durable writes of the same
size included, so that a machine whose speed drifts does not decide a ratio.
"""

import argparse
import csv
import io
import mmap
import os
import socket
import subprocess
import sys
import time

import bench_crowd
import bench_moves
from harness import trace
from harness.daemon import PROGRAMS, REDIS, CtlError, Daemon, free_port
from harness.names import name_checkpoint, start_forwarded
from harness.redis_load import RedisLoad
from harness.resp import Client, command
from harness.waiting import Timeout

PHASES = ("wait_ns", "scan_ns", "copy_ns", "devstate_ns", "pause_ns")
BLOCK = 4096
TURN_REQUESTS = 40          # of one client, of one kind
WARM_UP_REQUESTS = 100
BENCHMARK_TIMEOUT_S = 60


# --- figures -----------------------------------------------------------------

def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def row(name, values, scale=1.0, unit=""):
    """One line: name, p50, p90, p99, number of samples."""
    if not values:
        print(f"{name:34} no samples")
        return
    p50, p90, p99 = (percentile(values, p) * scale for p in (50, 90, 99))
    print(f"{name:34} p50 {p50:10.1f}  p90 {p90:10.1f}  p99 {p99:10.1f} "
          f"{unit:6} n={len(values)}", flush=True)


class Epochs:
    """The epochs of one guest within the turns that were measured."""

    def __init__(self, daemon, guest):
        self.daemon, self.guest = daemon, guest
        self.spans = []

    def span(self, began_ns):
        self.spans.append((began_ns, time.monotonic_ns()))

    def events(self):
        """{kind of event: list}, those within the spans."""
        found = {}
        for event in trace.events(self.daemon.trace, self.guest):
            at = event.get("monotonic_ns", 0)
            if any(begin <= at <= end for begin, end in self.spans):
                found.setdefault(event.get("event"), []).append(event)
        return found

    def print(self, replies=0):
        events = self.events()
        received = events.get("received", [])
        durable = events.get("durable", [])
        committed = events.get("committed", [])
        for phase in PHASES:
            row(f"  {phase[:-3]}", [e[phase] for e in received], 1e-3, "us")
        row("  pages of an epoch", [e["pages"] for e in received])
        row("  bytes written for it", [e["bytes"] for e in durable])
        row("  write to the log", [e["append_ns"] for e in durable], 1e-3,
            "us")
        trigger = {e["epoch"]: e["trigger_ns"] for e in received}
        row("  trigger to committed",
            [e["monotonic_ns"] - trigger[e["epoch"]] for e in committed
             if e["epoch"] in trigger], 1e-3, "us")
        seconds = sum(end - begin for begin, end in self.spans) / 1e9
        print(f"  {'durable checkpoints/s':32} {len(committed) / seconds:.0f}")
        if replies and committed:
            print(f"  {'replies per checkpoint':32} "
                  f"{replies / len(committed):.2f}", flush=True)


class Disk:
    """Durable writes as ckptd does them, on the same file system."""

    SPAN_BYTES = 16 << 20

    def __init__(self, directory):
        self.path = os.path.join(directory, "disk-bench")
        with open(self.path, "wb") as file:
            file.write(b"\0" * self.SPAN_BYTES)
            os.fsync(file.fileno())
        self.fd = os.open(self.path, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
        self.at = 0

    def write(self, size, count):
        """Microseconds of @count durable writes of @size bytes."""
        data = mmap.mmap(-1, size)
        data.write(b"\xa5" * size)
        times = []
        for _ in range(count):
            if self.at + size > self.SPAN_BYTES:
                self.at = 0
            began = time.monotonic()
            os.pwritev(self.fd, [data], self.at)
            times.append((time.monotonic() - began) * 1e6)
            self.at += size
        return times

    def close(self):
        os.close(self.fd)
        os.unlink(self.path)


# --- guests ------------------------------------------------------------------

def first_reply(port, timeout_s=60):
    """A connection on which redis has answered a PING."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        sock = None
        try:
            sock = socket.create_connection(("127.0.0.1", port), 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(1)
            sock.sendall(command("PING"))
            if sock.recv(16).startswith(b"+PONG"):
                sock.settimeout(BENCHMARK_TIMEOUT_S)
                return sock
        except OSError:
            pass
        if sock:
            sock.close()
        time.sleep(0.002)
    raise TimeoutError(f"no reply on port {port} within {timeout_s} s")


class Redis:
    """redis in a guest; @cold_ms from `ckptctl run` to its first reply."""

    def __init__(self, daemon, name, *options):
        self.daemon, self.name = daemon, name
        self.port = free_port()
        began = time.monotonic()
        self.guest = daemon.run(*REDIS, name=name, ports=[(self.port, 6379)],
                                options=options)
        self.sock = first_reply(self.port)
        self.cold_ms = (time.monotonic() - began) * 1000

    def ask(self, request, count):
        """Microseconds of @count requests, one after the other."""
        times = []
        for _ in range(count):
            began = time.monotonic()
            self.sock.sendall(request)
            if not self.sock.recv(256).startswith(b"+"):
                raise ConnectionError(f"{self.name}: no answer, or an error")
            times.append((time.monotonic() - began) * 1e6)
        return times

    def benchmark(self, clients, requests, test):
        """One row of redis-benchmark, or None and its words printed."""
        done = subprocess.run(
            ["redis-benchmark", "-p", str(self.port), "-c", str(clients),
             "-n", str(requests), "-d", "64", "-t", test, "--csv"],
            capture_output=True, text=True, check=False,
            timeout=BENCHMARK_TIMEOUT_S)
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        if done.returncode or not rows:
            print(f"  redis-benchmark on '{self.name}' ended with status "
                  f"{done.returncode}: {done.stderr.strip()[-500:]}")
            return None
        return rows[0]

    def close(self, *flags):
        self.sock.close()
        self.daemon.ctl("kill", self.name)
        self.daemon.ctl("rm", *flags, self.name)


# --- measurements ------------------------------------------------------------

def disk(daemon):
    print(f"durable writes (O_DIRECT|O_DSYNC) under {daemon.directory}")
    writer = Disk(daemon.directory)
    for size in (4096, 65536, 131072, 262144, 1048576):
        row(f"  {size // 1024} KiB", writer.write(size, 100), 1, "us")
    writer.close()


def latency_of(with_guest, without_guest, writer, name, request, seconds):
    """What a checkpoint adds to one request of one client."""
    print(f"one {name}, one client")
    epochs = Epochs(with_guest.daemon, with_guest.name)
    began = time.monotonic_ns()
    for guest in (with_guest, without_guest):
        guest.ask(request, WARM_UP_REQUESTS)
    epochs.span(began)
    size = percentile([e["bytes"] for e in epochs.events()["durable"]], 50)
    size = -(-size // BLOCK) * BLOCK
    epochs.spans.clear()
    held, plain, written = [], [], []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic_ns()
        held += with_guest.ask(request, TURN_REQUESTS)
        epochs.span(began)
        plain += without_guest.ask(request, TURN_REQUESTS)
        written += writer.write(size, TURN_REQUESTS)
    row("  with checkpoints", held, 1, "us")
    row("  without", plain, 1, "us")
    added = [percentile(held, p) - percentile(plain, p) for p in (50, 90, 99)]
    print(f"  {'added':32} p50 {added[0]:10.1f}  p90 {added[1]:10.1f}  "
          f"p99 {added[2]:10.1f} us")
    row(f"  durable write of {size // 1024} KiB", written, 1, "us")
    print(f"  added p50 / p50 of that write      "
          f"{added[0] / percentile(written, 50):.2f}")
    epochs.print(len(held))


def throughput(with_guest, without_guest, clients, tests, turn_s, turns):
    """redis-benchmark on both guests, turn by turn."""
    for test in tests:
        print(f"redis-benchmark -c {clients} -t {test}")
        epochs = Epochs(with_guest.daemon, with_guest.name)
        results, requests, replies = {}, {}, 0
        for guest in (with_guest, without_guest):
            trial = guest.benchmark(clients, 20 * clients, test)
            if not trial:
                return
            requests[guest] = max(20 * clients,
                                  int(float(trial["rps"]) * turn_s))
        for _ in range(turns):
            began = time.monotonic_ns()
            for guest in (with_guest, without_guest):
                result = guest.benchmark(clients, requests[guest], test)
                if not result:
                    return
                results.setdefault(guest, []).append(result)
                if guest is with_guest:
                    epochs.span(began)
                    replies += requests[guest]
        rates = {}
        for guest, rows in results.items():
            rates[guest] = (sum(float(r["rps"]) for r in rows) / turns)
            print(f"  {guest.name:8} {rates[guest]:9.0f} ops/s;  p50 / p99 of "
                  + ", ".join(f"{r['p50_latency_ms']} / {r['p99_latency_ms']}"
                              for r in rows) + " ms")
        print(f"  kept {100 * rates[with_guest] / rates[without_guest]:.0f} %")
        epochs.print(replies)


def kills(redis, count):
    """From kill -9 of QEMU to the first reply to what was sent after it."""
    load = RedisLoad(redis.port, connections=16)
    load.start(3600)
    try:
        for number in range(1, count + 1):
            load.wait_acknowledged(300)
            redis.guest.kill_qemu(load)
            if not load.wait_recovered(60):
                print("  no reply within 60 s")
                break
            redis.guest.wait_recovered(number)
    finally:
        load.stop()
        result = load.finish()
    row("kill to first reply", result.recovery_ms, 1, "ms")
    print(f"  lost {result.lost} duplicated {result.duplicated} kept "
          f"{result.kept}/16 {' '.join(result.problems[:2])}", flush=True)


def starts(daemon, count):
    cold = []
    for _ in range(count):
        redis = Redis(daemon, "cold")
        cold.append(redis.cold_ms)
        redis.close()
    row("exec to first reply, cold", cold, 1, "ms")


def recoveries(redis, count):
    times = []
    for _ in range(count):
        redis.sock.close()
        redis.daemon.ctl("kill", redis.name)
        began = time.monotonic()
        redis.daemon.ctl("recover", redis.name)
        redis.sock = first_reply(redis.port)
        times.append((time.monotonic() - began) * 1000)
    row("recover from store to first reply", times, 1, "ms")


STEPS = ("ckptctl runs", "ckptd: to QEMU executed", "QEMU: to HELLO answered",
         "WELCOME to ckptctl's end", "to the first reply")


def steps_of(daemon, name, began_ns, ran_ns, done_ns):
    """Nanoseconds of each of STEPS, by ckptd's trace."""
    at = {}
    for event in trace.events(daemon.trace, name):
        at.setdefault(event.get("event"), event.get("monotonic_ns"))
    points = [began_ns, at["state"], at["launched"], at["welcome"], ran_ns,
              done_ns]
    return [b - a for a, b in zip(points, points[1:])]


def named_starts(daemon, count, memory_mib):
    """From exec of `ckptctl start --from` to the first useful reply."""
    redis = Redis(daemon, "named", "--memory", memory_mib)
    loader = Client(("127.0.0.1", redis.port))
    loader.load(20000)
    loader.close()
    name_checkpoint(redis.guest, "ready")
    times, steps = [], []
    for number in range(count):
        name = f"named-{memory_mib}-{number}"
        began = time.monotonic_ns()
        _, port = start_forwarded(redis.guest, "ready", name, 6379)
        ran = time.monotonic_ns()
        client = Client(("127.0.0.1", port), "GET", "key:19999")
        if client.first is None:
            raise ConnectionError(f"{name}: the data set is not there")
        done = time.monotonic_ns()
        client.close()
        times.append(done - began)
        steps.append(steps_of(daemon, name, began, ran, done))
        daemon.ctl("rm", "--force", name)
    row(f"named start, {memory_mib} MiB", times, 1e-6, "ms")
    for step, values in zip(STEPS, zip(*steps)):
        row(f"  {step}", values, 1e-6, "ms")
    redis.close("--force")


def run(daemon, options):
    daemon.start()
    if options.only == "named":
        for memory_mib in (64, 1024):
            named_starts(daemon, options.starts, memory_mib)
        return
    if options.only == "moves":
        bench_moves.run(options.moves, row)
        return
    if options.only == "crowd":
        bench_crowd.run(daemon, options.crowds, row)
        return
    disk(daemon)
    with_guest = Redis(daemon, "with")
    without_guest = Redis(daemon, "without", "--no-checkpoint")
    writer = Disk(daemon.directory)
    for name, request in (("PING", command("PING")),
                          ("SET", command("SET", "key", "x" * 64))):
        latency_of(with_guest, without_guest, writer, name, request,
                   options.seconds)
    writer.close()
    for clients, tests in ((1, ("set",)), (50, ("set", "get"))):
        throughput(with_guest, without_guest, clients, tests,
                   options.seconds / 4, 3)
    without_guest.close()
    kills(with_guest, options.kills)
    recoveries(with_guest, 5)
    with_guest.close()
    starts(daemon, 3)
    bench_crowd.run(daemon, options.crowds, row)
    bench_moves.run(options.moves, row)
    for memory_mib in (64, 1024):
        named_starts(daemon, options.starts, memory_mib)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10,
                        help="of each comparison (default 10)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--moves", type=int, default=20,
                        help="for each size of RAM (default 20)")
    parser.add_argument("--starts", type=int, default=20,
                        help="from a named checkpoint, of each size")
    parser.add_argument("--crowds", type=int, default=5,
                        help="of clients that come at once, for each network")
    parser.add_argument("--only", choices=("named", "moves", "crowd"),
                        help="measure only starts from a named checkpoint, "
                        "moves, or clients at once")
    options = parser.parse_args()
    daemon = Daemon()
    began = time.monotonic()
    try:
        run(daemon, options)
    except (CtlError, OSError, Timeout, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        print(daemon.log.read_text(errors="replace")[-2000:], file=sys.stderr)
        return 1
    finally:
        daemon.close()
    print(f"took {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
