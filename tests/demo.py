#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What Sluice is for, one scene at a time, with real programs and real faults.

  demo.py [...]               redis, its host process killed ten times
  demo.py --net tap [...]     the same, clients and guest on a bridge
  demo.py --libvirt [...]     the same, the guest is a libvirt domain
  demo.py --migrate [...]     redis moves between two hosts, twenty times
  demo.py --migrate --qemu    the same by QEMU's and libvirt's migration
  demo.py --start [...]       programs that start at a named checkpoint

The last line of each is for scripts.  Exit status 0 only if nothing that was
acknowledged was lost, nothing was done twice and every connection lived.
"""

import argparse
import importlib
import os
import sys


def scene(argv):
    """The module of tests/demos that plays it, and the words left for it."""
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for word in ("libvirt", "migrate", "qemu", "start"):
        chooser.add_argument(f"--{word}", action="store_true")
    chosen, rest = chooser.parse_known_args(argv)
    if chosen.qemu and not chosen.migrate:
        chooser.error("--qemu goes with --migrate")
    if chosen.libvirt + chosen.migrate + chosen.start > 1:
        chooser.error("one of --libvirt, --migrate and --start")
    if chosen.migrate:
        return "migrate_qemu" if chosen.qemu else "migrate", rest
    if chosen.libvirt or chosen.start:
        return "libvirt" if chosen.libvirt else "start", rest
    return "crash", rest


def main():
    name, words = scene(sys.argv[1:])
    module = importlib.import_module(f"demos.{name}")
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return module.run(parser.parse_args(words))


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
