# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that README.md and docs/ show are the commands that work.

A block of commands below a line `<!-- tried -->` is run word for word, as one
shell script, in a directory that looks like the checkout, with a state directory
of its own; below `<!-- tried under libvirt -->` where a libvirtd runs; below
`<!-- tried on two hosts -->` each line on the host that its prompt names.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from avocado import Test

import base  # noqa: F401 pylint: disable=unused-import # where harness is
from harness import libvirt
from harness.hosts import Host, Network

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = r"^<!-- {} -->\n+((?:    .*\n|\n)+)"
PROMPT = re.compile(r"(east|west)\$ (.*)")
TIMEOUT_S = 180


def blocks(page, mark):
    """The blocks of commands of a page below @mark, each as a script."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.findall(BLOCK.format(mark), text, re.M):
        yield "".join(line[4:] + "\n" for line in block.splitlines())


class Pages(Test):
    """A directory that looks like the checkout, to run scripts in."""

    timeout = 900

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="readme-"))
        for entry in ROOT.iterdir():
            if entry.name != ".git":
                (self.directory / entry.name).symlink_to(entry)
        self.environment = dict(
            os.environ, SLUICE_STATE_DIR=f"{self.directory}/.state",
            SLUICE_RUNTIME_DIR=f"{self.directory}/.run",
            PATH=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")

    def tearDown(self):
        self.shell("build/ckptd/ckptctl --no-autostart ps || exit 0\n"
                   "for name in $(build/ckptd/ckptctl --json ps |"
                   " sed -n 's/.*\"name\": *\"\\([^\"]*\\)\".*/\\1/p')\n"
                   "do build/ckptd/ckptctl kill $name; done\n"
                   "build/ckptd/ckptctl shutdown\n"
                   "for pid in .run/run-vm/*/netd.pid\n"
                   "do test ! -e $pid || kill $(cat $pid); done\n")
        # ckptd is taking away its sockets
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, script):
        """The command line that runs @script, and its environment."""
        return ["sh", "-ec", script], self.environment

    def shell(self, script):
        argv, environment = self.command(script)
        done = subprocess.run(
            argv, cwd=self.directory, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
            check=False)
        self.log.info("%s\n%s", script, done.stdout)
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}")

    def try_block(self, script):
        """Run one block."""
        self.shell(script)

    def try_page(self, page, mark="tried"):
        count = 0
        for script in blocks(page, mark):
            lines = [line for line in script.splitlines()
                     if line.strip() and not line.endswith("\\")]
            self.assertLessEqual(len(lines), 5, f"more than five:\n{script}")
            self.try_block(script)
            count += 1
        self.assertGreater(count, 0, f"{page} shows no commands to try")


class Readme(Pages):
    """Word for word"""

    def test_readme(self):
        self.try_page("README.md")

    def test_getting_started(self):
        self.try_page("docs/getting-started.md")

    def test_by_hand(self):
        self.try_page("docs/by-hand.md")

    def test_named_starts(self):
        """The service answers where it was started from the checkpoint."""
        self.try_page("docs/named-starts.md")
        self.shell("echo factor 35 | busybox nc 127.0.0.1 7201 | grep -qx '5 7'")


class UnderLibvirt(Pages):
    """Word for word, where a libvirtd runs"""

    def setUp(self):
        if not libvirt.installed():
            self.cancel("needs root, libvirtd and virsh")
        super().setUp()
        self.libvirtd = libvirt.Libvirtd()
        self.environment.update(LIBVIRT_DEFAULT_URI=self.libvirtd.uri)
        # QEMU's user sees neither our /tmp nor the checkout otherwise.
        self.directory.chmod(0o755)
        (self.directory / "build").unlink()
        (self.directory / "build").symlink_to(libvirt.INSIDE_BUILD)

    def tearDown(self):
        if not hasattr(self, "libvirtd"):
            return
        try:
            self.shell("virsh destroy dom")
            super().tearDown()
        finally:
            self.libvirtd.close()

    def command(self, script):
        inside = f"cd {self.directory}\n{script}"
        return self.libvirtd.command(["sh", "-ec", inside]), self.environment

    def test_getting_started(self):
        """The domain runs."""
        self.try_page("docs/getting-started.md", "tried under libvirt")
        self.shell("virsh domstate dom | grep -q running")


class OnTwoHosts(Pages):
    """Word for word, each line on its host"""

    def setUp(self):
        super().setUp()
        self.network = Network()
        self.hosts = {
            name: Host(self.network, name, f"10.77.0.{number}/24",
                       bridge="br0").daemon()
            for number, name in ((2, "east"), (3, "west"))}
        for daemon in self.hosts.values():
            daemon.start()
        self.shell("musl-gcc -static -o counter docs/examples/counter.c")

    def tearDown(self):
        try:
            self.network.close()
        finally:
            super().tearDown()

    def try_block(self, script):
        for line in filter(None, script.splitlines()):
            host, command = PROMPT.fullmatch(line).groups()
            self.line_on(self.hosts[host], command)

    def line_on(self, daemon, line):
        """Run @line on the host of @daemon."""
        argv = daemon.host.command(
            ["sh", "-ec", f"cd {self.directory}\n{line}"])
        path = f"{daemon.build}/ckptd:{os.environ['PATH']}"
        done = subprocess.run(
            argv, env={**daemon.environment, "PATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
            check=False)
        self.log.info("%s: %s\n%s", daemon.host.name, line, done.stdout)
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}")

    def test_getting_started(self):
        """The guest is on the other host."""
        self.try_page("docs/getting-started.md", "tried on two hosts")
        self.assertEqual(self.hosts["west"].json("status", "web")["state"],
                         "running")
