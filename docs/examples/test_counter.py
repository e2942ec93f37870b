# SPDX-License-Identifier: GPL-2.0-or-later
"""An avocado test of a service of one's own, with nothing but what `make
install` installs: ckptctl in the PATH, and a static program.

    musl-gcc -static -O2 -o counter counter.c
    avocado run test_counter.py -p program=$PWD/counter
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from avocado import Test


class Counter(Test):
    """A client's connection and the program's memory outlive the crash."""

    timeout = 120

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="counter-")
        os.environ["SLUICE_STATE_DIR"] = f"{self.directory}/state"
        os.environ["SLUICE_RUNTIME_DIR"] = f"{self.directory}/run"

    def tearDown(self):
        self.ckptctl("kill", "counter")
        self.ckptctl("shutdown")
        shutil.copytree(f"{self.directory}/state/guests/counter",
                        f"{self.outputdir}/counter",
                        ignore=shutil.ignore_patterns("store"))
        shutil.rmtree(self.directory)

    def ckptctl(self, *words):
        done = subprocess.run(["ckptctl", *words], capture_output=True,
                              text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def wait_log(self, text):
        deadline = time.monotonic() + 30
        while text not in self.ckptctl("logs", "counter"):
            self.assertLess(time.monotonic(), deadline, f"no {text!r} logged")
            time.sleep(0.05)

    def ask(self, client):
        client.sendall(b"next\n")
        return int(client.makefile().readline())

    def test_counts_on_after_a_crash(self):
        program = self.params.get("program", default="./counter")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.ckptctl("run", "--name", "counter", "-p", f"{port}:7000",
                     os.path.abspath(program))
        self.wait_log("counting on port")
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.settimeout(30)
            self.assertEqual(self.ask(client), 1)
            for expected in range(2, 6):
                self.ckptctl("crash", "counter")
                self.assertEqual(self.ask(client), expected)
        status = json.loads(self.ckptctl("--json", "status", "counter"))
        self.assertEqual(status["recoveries"], 4)
