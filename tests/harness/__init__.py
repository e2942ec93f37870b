# SPDX-License-Identifier: GPL-2.0-or-later
"""What the functional tests, the demo and the benchmarks are made of.

Plain classes, without a test framework: daemon.py runs ckptd and ckptctl in
directories of their own, places.py hides which network it is and who starts
QEMU, redis_load.py is the client whose replies are checked, trace.py reads
ckptd's trace, pcap.py reads a capture, numbered.py checks numbered frames.
hosts.py has hosts and an Ethernet between them, wire.py looks at what passes
there, relay.py is a bad cable.
"""
