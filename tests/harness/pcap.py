# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a capture file: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap"""

import struct

MAGIC_US, MAGIC_NS = 0xa1b2c3d4, 0xa1b23c4d


def frames(path):
    """Yield (time in ns since 1970, frame bytes); a torn end is the end."""
    with open(path, "rb") as capture:
        header = capture.read(24)
        if len(header) < 24:
            return
        magic = struct.unpack("<I", header[:4])[0]
        if magic not in (MAGIC_US, MAGIC_NS):
            raise ValueError(f"{path}: not a capture file")
        scale = 1 if magic == MAGIC_NS else 1000
        while True:
            record = capture.read(16)
            if len(record) < 16:
                return
            seconds, fraction, length, _ = struct.unpack("<IIII", record)
            frame = capture.read(length)
            if len(frame) < length:
                return
            yield seconds * 10**9 + fraction * scale, frame
