# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes an interface, seen from outside of everything that is tested."""

import select
import socket
import struct
import threading
import time

ETH_P_ALL, ETH_P_ARP = 3, 0x0806
# asm-generic/socket.h: struct timespec of the wall clock with each frame
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
TIMESPEC = struct.Struct("@qq")
ARP = struct.Struct("!HHBBH6s4s6s4s")
BROADCAST = b"\xff" * 6


class Capture:
    """Records every frame that @interface of @namespace receives."""

    def __init__(self, namespace, interface="eth0"):
        self._frames = []
        self._socket = namespace.call(lambda: self._open(interface))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _open(interface):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                             socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        sock.bind((interface, 0))
        sock.setblocking(False)
        return sock

    def _run(self):
        while not self._ended.is_set():
            select.select([self._socket], [], [], 0.1)
            self._drain()

    def _drain(self):
        while True:
            try:
                frame, control, _, address = self._socket.recvmsg(65536, 64)
            except (BlockingIOError, OSError):
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            seconds, nanoseconds = TIMESPEC.unpack_from(control[0][2])
            self._frames.append((seconds * 10**9 + nanoseconds, frame))

    def frames(self):
        """[(time in ns since 1970, frame)], as far as they came."""
        return list(self._frames)

    def close(self):
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def arp_frame(operation, mac, address, target, target_mac=b"\0" * 6,
              to=BROADCAST):
    """An ARP frame; @mac is bytes, the addresses are text."""
    return to + mac + struct.pack("!H", ETH_P_ARP) + ARP.pack(
        1, 0x0800, 6, 4, operation, mac, socket.inet_aton(address),
        target_mac, socket.inet_aton(target))


def arp_of(frame):
    """(operation, mac, address, target) of an ARP frame, or None."""
    if len(frame) < 14 + ARP.size or \
            struct.unpack_from("!H", frame, 12)[0] != ETH_P_ARP:
        return None
    fields = ARP.unpack_from(frame, 14)
    return (fields[4], fields[5].hex(":"), socket.inet_ntoa(fields[6]),
            socket.inet_ntoa(fields[8]))


TCP_FIN, TCP_SYN, TCP_RST, TCP_ACK = 0x01, 0x02, 0x04, 0x10


def tcp_flags(frame):
    """Flags of an IPv4 TCP frame; None of any other."""
    if len(frame) < 54 or frame[12:14] != b"\x08\0" or \
            frame[23] != socket.IPPROTO_TCP:
        return None
    return frame[14 + (frame[14] & 15) * 4 + 13]


def tcp_ports(frame):
    """(source, destination) of an IPv4 TCP frame."""
    return struct.unpack_from("!HH", frame, 14 + (frame[14] & 15) * 4)


def gratuitous(frames, since_ns=0):
    """{(mac, address)} that announced themselves."""
    found = set()
    for time_ns, frame in frames:
        arp = arp_of(frame)
        if arp and time_ns >= since_ns and arp[2] == arp[3]:
            found.add((arp[1], arp[2]))
    return found


def send(namespace, frames, interface="eth0"):
    """Put raw @frames on the wire, in order."""
    def put():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((interface, 0))
            for frame in frames:
                sock.send(frame)
    namespace.call(put)
