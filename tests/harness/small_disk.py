# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system of a few MiB that can be filled and emptied.

It is an ext4 on a loop device, mounted in a mount namespace that a child
process holds: what command() starts sees it, nobody else does, and all of it is
gone with the last of them.  Not a tmpfs: where that is full, even reading a hole
of a mapped file is a SIGBUS.
"""

import errno
import os
import pathlib
import subprocess

# Nobody needs the name of the image once it is mounted.
SCRIPT = """
    truncate -s "$1"M "$2.img" &&
    mkfs.ext4 -q -m 0 -O ^has_journal "$2.img" &&
    mount -o loop "$2.img" "$2" && echo
    rm -f "$2.img"
    exec cat
"""
FILL_STEPS = (1 << 20, 1 << 16, 1 << 12)


def missing():
    """Why there can be no small disk here, or None."""
    if os.geteuid():
        return "mounting needs root"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    return None


class SmallDisk:
    """@mib of space at @path, a directory that is made.  The host of a
    Daemon."""

    def __init__(self, path, mib):
        path = pathlib.Path(path)
        path.mkdir(parents=True)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private",
             "sh", "-c", SCRIPT, "sh", str(mib), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.holder.stdout.readline():
            self.close()
            raise OSError("no small disk")
        # As seen from outside.
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{path}")
        self.filler = self.path / "filler"

    def command(self, argv):
        """@argv, as a command that sees the disk."""
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--",
                *argv]

    def fill(self, leave_mib=0):
        """Take all that is free, but for so much."""
        if leave_mib:
            vfs = os.statvfs(self.path)
            with open(self.filler, "wb") as filler:
                os.posix_fallocate(
                    filler.fileno(), 0,
                    vfs.f_bavail * vfs.f_frsize - (leave_mib << 20))
            return
        with open(self.filler, "ab") as filler:
            for step in FILL_STEPS:
                try:
                    while True:
                        os.posix_fallocate(filler.fileno(),
                                           os.fstat(filler.fileno()).st_size,
                                           step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self):
        """Give back what fill() has taken."""
        self.filler.unlink(missing_ok=True)

    def close(self):
        self.holder.communicate()
