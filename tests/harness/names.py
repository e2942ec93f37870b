# SPDX-License-Identifier: GPL-2.0-or-later
"""Named checkpoints: guests that begin with one, and what they have to say."""

from .daemon import Guest, free_port


def name_checkpoint(guest, label):
    """Return: the epoch that has the name."""
    return guest.daemon.json("checkpoint", "--name", label,
                             guest.name)["epoch"]


def labels(daemon, *names):
    """["guest@label", ...] as `ckptctl ls` tells."""
    return sorted(f"{row['guest']}@{row['label']}"
                  for row in daemon.json("ls", *names))


def start_from(guest, label, name, *options):
    """A guest that begins with a checkpoint of @guest."""
    guest.daemon.ctl("start", "--from", f"{guest.name}@{label}", *options,
                     name)
    return Guest(guest.daemon, name)


def start_forwarded(guest, label, name, guest_port):
    """The same with user-mode networking.  Return: it, port of this host."""
    port = free_port()
    return start_from(guest, label, name, "-p", f"{port}:{guest_port}"), port


def random_pairs(guest):
    """What the program `randoms forever` printed in this guest, without its
    first line: that may have been read before the guest began."""
    lines = [line.split()[1:] for line in guest.logs().splitlines()
             if line.startswith("random ") and len(line.split()) == 3]
    return lines[1:]
