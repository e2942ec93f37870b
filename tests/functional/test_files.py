# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that come with a program: `--file`, `--dir`, and what is always there.

The programs are busybox's applets, as the distribution built them.
"""

import hashlib
import re

from base import SluiceTest

BUSYBOX = "/bin/busybox"


class Files(SluiceTest):
    """In memory, read-only, the same for every program of the guest."""

    def run_busybox(self, *words, options=(), name="busybox"):
        """Return: its output, its exit status."""
        guest = self.daemon.run(BUSYBOX, *words, name=name,
                                options=self.guest_options(*options))
        status = guest.wait_state("exited", 120)
        return guest.logs(), status["exit_status"]

    def make_tree(self):
        """{path below the directory: bytes}, and the directory."""
        top = self.daemon.directory / "tree"
        contents = {}
        for number, path in enumerate(("a", "b/c", "b/d/e", "b/d/empty")):
            data = self.random.randbytes(number * 5000 % 15000)
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(data)
            contents[path] = data
        (top / "b/link").symlink_to("d/e")
        contents["b/link"] = contents["b/d/e"]
        return top, contents

    def test_directory_and_file(self):
        """Every byte of every file, under the names that were asked for."""
        top, contents = self.make_tree()
        paths = [f"/data/{path}" for path in contents] + ["/etc/motd"]
        text, status = self.run_busybox(
            "sha256sum", *paths,
            options=("--dir", f"{top}:/data", "--file", f"{top}/a:/etc/motd"))
        expected = {f"/data/{path}": hashlib.sha256(data).hexdigest()
                    for path, data in contents.items()}
        expected["/etc/motd"] = expected["/data/a"]
        sums = {path: digest for digest, path in
                re.findall(r"^([0-9a-f]{64}) +(/\S+)$", text, re.M)}
        self.assertEqual((sums, status), (expected, 0))

    def test_directories_are_listed(self):
        top, contents = self.make_tree()
        text, status = self.run_busybox("find", "/data", "-type", "f",
                                        options=("--dir", f"{top}:/data"))
        found = re.findall(r"^/data\S*$", text, re.M)
        self.assertEqual((sorted(found), status),
                         (sorted(f"/data/{path}" for path in contents), 0))

    def test_what_is_always_there(self):
        """The files that a Linux program expects, and the devices."""
        text, status = self.run_busybox(
            "cat", "/etc/hosts", "/etc/passwd", "/etc/group",
            "/etc/nsswitch.conf", "/dev/null", name="texts")
        self.assertEqual(status, 0, text)
        for word in ("localhost", "root:x:0:0:", "hosts:"):
            self.assertIn(word, text)
        self.assertEqual(self.dump("/etc/localtime", 4), "545a6966")    # TZif
        self.assertEqual(self.dump("/dev/zero", 8), "00" * 8)
        self.assertNotEqual(self.dump("/dev/urandom", 16),
                            self.dump("/dev/urandom", 16))

    def dump(self, path, count):
        """The first @count bytes of @path in a guest of its own, in hex."""
        self.dumps = getattr(self, "dumps", 0) + 1
        text, status = self.run_busybox("od", "-A", "n", "-t", "x1", "-N",
                                        str(count), path,
                                        name=f"dump{self.dumps}")
        self.assertEqual(status, 0, text)
        return max(re.findall(r"^(?: [0-9a-f]{2})+$", text, re.M),
                   key=len).replace(" ", "")

    def test_nothing_is_written(self):
        """A file cannot be changed, and one that is not there is not."""
        top, _ = self.make_tree()
        options = ("--dir", f"{top}:/data")
        for number, (words, reason) in enumerate((
                (("truncate", "-s", "0", "/data/a"), "Read-only"),
                (("rm", "/data/a"), "Read-only"),
                (("cat", "/data/none"), "No such file"))):
            text, status = self.run_busybox(*words, options=options,
                                            name=f"refused{number}")
            self.assertEqual(status, 1, text)
            self.assertIn(reason, text)

    def test_clear_errors(self):
        """What is not there, or does not fit, is refused before the start."""
        (self.daemon.directory / "big").write_bytes(bytes(100 << 20))
        for option, words in ((("--file", "/no/such/file"), "No such file"),
                              (("--dir", "/etc/passwd"), "director"),
                              (("--file", f"{self.daemon.directory}/big:/big",
                                "--memory", "64"), "memory")):
            done = self.daemon.try_ctl("run", *option, BUSYBOX, "true")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.daemon.json("ps"), [])
