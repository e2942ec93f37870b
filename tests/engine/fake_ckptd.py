# SPDX-License-Identifier: GPL-2.0-or-later
"""fake_ckptd.py - the other end of abi/ckpt-wire.h, with a store in memory

Just enough of a ckptd to test the engine alone: it answers HELLO, copies each
epoch out of its staging slot into an image of RAM, says COMMITTED, and restores
the next QEMU from what it has. Everything that the engine says is checked.
"""

import fcntl
import mmap
import os
import select
import socket
import struct

HELLO, WELCOME, REFUSE, EPOCH, COMMITTED, OUTPUT, MAILBOX, COMMIT_NOW, \
    QUIT, BYE, FREEZE, NAME, NAMED, MOVE, MOVE_OK, STAY, STORED = range(1, 18)
BOOT, RESTORE, CONTINUE, PASS, INCOMING = range(1, 6)
LEAVING, STAYS, UNKNOWN, MOVED = range(1, 5)
LOG, EXIT, PANIC = range(1, 4)
BYE_NAMES = {1: 'exit', 2: 'shutdown', 3: 'panic', 4: 'error', 5: 'reset'}

PAGE = 4096
ZERO = 1 << 63
SLOTS = 2
SLOT_MAGIC = 0x544f4c5343554c53
HELLO_RECONNECT, HELLO_VERIFY, HELLO_NO_CHECKPOINT, HELLO_INCOMING = 1, 2, 4, 8
WELCOME_HASH, WELCOME_HOLD, WELCOME_NEW_LINE, WELCOME_LAUNCHED = 1, 2, 4, 8
FORK, ROLLBACK = 1, 2
IDENTITY_OWN = 2
EPOCH_FULL, EPOCH_HASH, EPOCH_LAST, EPOCH_ARRIVING, EPOCH_ARRIVED = \
    1, 2, 4, 8, 16

MSG = struct.Struct('<IIQQ')
HELLO_S = struct.Struct('<IIQQQQII16s64s64s32s64s16s16x')
WELCOME_S = struct.Struct('<IIIIQQQQIIII')
SLOT_S = struct.Struct('<10Q48x')
EPOCH_S = struct.Struct('<8IQQ')
OUTPUT_S = struct.Struct('<IIQ')
IDENTITY_S = struct.Struct('<IIQ6sH4s4s4s4s64sI4x')
HOLD_BYTES = 1 << 20
TX_CURSOR = 128                         # in the hold's header

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 2, 4


def make_memfd(name, size):
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
    return fd


def identity(why, generation, mac, address='10.0.0.9', process=0, flags=0):
    """One struct ckpt_identity; @mac None: who the process is already"""
    if mac is None:
        return IDENTITY_S.pack(why, process, generation, bytes(6), 0, bytes(4),
                               bytes(4), bytes(4), bytes(4), b'', IDENTITY_OWN)
    return IDENTITY_S.pack(why, process, generation, mac, 0,
                           socket.inet_aton(address), b'\xff\xff\xff\0',
                           socket.inet_aton('10.0.0.1'), bytes(4), b'other',
                           flags)


class Protocol(Exception):
    """The engine said something it must not say"""


class FakeCkptd:
    """One guest's daemon; hold, staging and store outlive each QEMU"""

    def __init__(self, path, ram_bytes, max_interval_ms=0, tail_pages=16):
        self.path = path
        self.ram_bytes = ram_bytes
        self.max_interval_ms = max_interval_ms
        self.min_interval_us = 0
        self.tail_pages = tail_pages        # of the last epochs, not in base
        self.hold_bytes = HOLD_BYTES
        self.generation = 0
        self.committed = 0
        self.image = bytearray(ram_bytes)
        self.recent = {}                    # page: bytes, not yet in image
        self.devstate = b''
        self.hash = None
        self.hold = self.staging = self.slots = None
        self.epochs = []                    # what EPOCH said
        self.pages = []                     # and how many pages it had
        self.output = []                    # (kind, flags, epoch, seq, bytes)
        self.byes = []
        self.hello = None
        self.action = 0                     # the last one answered
        self.hold_back = False              # take epochs, do not commit
        self.held_back = []
        self.mute = False                   # COMMITTED is lost
        self.lie = 0                        # added to what is durable
        self.line = None                    # generation: identities, to say
        self.lose_hold = False              # it died with the last QEMU
        self.last_hold = None               # as it was at FREEZE's epoch
        self.names = []                     # (epoch, label) of NAME
        self.refuse_name = b''              # NAMED's reason
        self.drop_names = False             # say no NAMED
        self.launched = False               # as for `ckptctl run`
        self.moves = []                     # phases that MOVE told
        self.grant = True                   # LEAVING is answered
        self.mangle = None                  # applied to WELCOME's bytes
        self.mangle_slot = None             # and to a restore slot's header
        self.sock = None
        self.listener = None
        self.listen()

    # --- life -------------------------------------------------------------

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(1)

    def disconnect(self):
        """As if ckptd had died: sockets gone, its memory of the store kept"""
        if self.sock:
            self.sock.close()
            self.sock = None
        if self.listener:
            self.listener.close()
            self.listener = None
        self.held_back = []

    def close(self):
        self.disconnect()
        if self.slots:
            self.slots.close()
            os.close(self.hold)
            os.close(self.staging)

    def run_once(self, timeout):
        """Handle what comes within @timeout seconds; False when nothing did"""
        socks = [s for s in (self.sock, self.listener) if s]
        ready = select.select(socks, [], [], timeout)[0]
        if self.listener in ready:
            if self.sock:
                self.sock.close()
            self.sock = self.listener.accept()[0]
        elif self.sock in ready:
            self.receive()
        return bool(ready)

    # --- messages ---------------------------------------------------------

    def send(self, kind, epoch=0, payload=b'', fds=()):
        head = MSG.pack(kind, len(payload), epoch, self.generation)
        try:
            socket.send_fds(self.sock, [head + payload], fds)
        except (BrokenPipeError, ConnectionResetError):
            pass                            # receive() will see it

    def receive(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 16, 4)
        except ConnectionResetError:
            data, fds = b'', []
        if not data:
            self.sock.close()
            self.sock = None
            return
        kind, length, epoch, generation = MSG.unpack_from(data)
        payload = data[MSG.size:]
        if length != len(payload):
            raise Protocol(f'message {kind}: length {length}')
        if kind == EPOCH and \
                EPOCH_S.unpack(payload)[1] & (EPOCH_ARRIVING | EPOCH_ARRIVED):
            self.on_arriving(epoch, generation, EPOCH_S.unpack(payload))
            return
        if kind != HELLO and generation != self.generation:
            raise Protocol(f'message {kind}: generation {generation}')
        if kind == HELLO:
            self.on_hello(epoch, payload, fds)
        elif kind == EPOCH:
            self.on_epoch(epoch, payload)
        elif kind == OUTPUT:
            out = OUTPUT_S.unpack_from(payload)
            self.output.append((*out[:2], epoch, out[2],
                                payload[OUTPUT_S.size:]))
            if out[0] != PANIC and epoch > self.committed:
                raise Protocol(f'G3: output of epoch {epoch} before its '
                               f'commit, {self.committed} is durable')
        elif kind == MOVE:
            self.moves.append(struct.unpack_from('<I', payload)[0])
            if self.moves[-1] == LEAVING and self.grant:
                self.send(MOVE_OK, epoch)
        elif kind == BYE:
            reason, status = struct.unpack_from('<II', payload)
            self.byes.append((BYE_NAMES[reason], status, payload[8:]))
        elif kind == NAME:
            if epoch > self.committed or not 1 <= length <= 48:
                raise Protocol(f'NAME {epoch} {payload}, durable is '
                               f'{self.committed}')
            self.names.append((epoch, payload.decode()))
            if not self.drop_names:
                self.send(NAMED, 0 if self.refuse_name else self.committed,
                          self.refuse_name)
        else:
            raise Protocol(f'message {kind}')

    def on_hello(self, epoch, payload, fds):
        self.hello = HELLO_S.unpack(payload)
        flags = self.hello[1]
        if flags & HELLO_NO_CHECKPOINT:
            self.generation = max(self.generation, 1)
            self.welcome(PASS)
        elif flags & HELLO_RECONNECT:
            if len(fds) != 2:
                raise Protocol('RECONNECT without hold and staging')
            for fd in fds:
                os.close(fd)
            if self.hello[5] > self.committed or epoch < self.committed:
                raise Protocol(f'RECONNECT: committed {self.hello[5]}, '
                               f'captured {epoch}, durable {self.committed}')
            self.welcome(CONTINUE)
        elif flags & HELLO_INCOMING:
            self.make_memory()
            self.hold = make_memfd('hold', self.hold_bytes)
            self.welcome(INCOMING, fds=[self.hold, self.staging])
        elif self.committed:
            self.restore()
        else:
            self.boot()

    def welcome(self, action, flags=0, fds=(), ram_hash=0, slot=0,
                identities=()):
        self.action = action
        flags |= WELCOME_LAUNCHED if self.launched else 0
        data = WELCOME_S.pack(1, action, flags, SLOTS, self.slot_bytes(),
                              self.hold_bytes, self.ram_bytes, ram_hash, slot,
                              self.min_interval_us, self.max_interval_ms,
                              len(identities)) + b''.join(identities)
        if self.mangle:
            data = self.mangle(data)
        self.send(WELCOME, self.committed + self.lie, data, fds)

    def slot_bytes(self):
        n = self.ram_bytes // PAGE
        lists = (n * 8 + PAGE - 1) // PAGE * PAGE
        room = (self.hello[7] + PAGE - 1) // PAGE * PAGE
        return PAGE + lists + room + self.ram_bytes

    def make_memory(self):
        if self.slots:
            self.slots.close()
            os.close(self.staging)
        size = SLOTS * self.slot_bytes()
        self.staging = make_memfd('staging', size)
        self.slots = mmap.mmap(self.staging, size)

    def tx_cursor(self):
        return struct.unpack('<Q', os.pread(self.hold, 8, TX_CURSOR))[0]

    def move_hold(self):
        """The next QEMU gets the hold as it was at the last epoch"""
        os.close(self.hold)
        self.hold = make_memfd('hold', self.hold_bytes)
        os.pwrite(self.hold, self.last_hold, 0)

    def boot(self):
        self.generation += 1
        self.make_memory()
        if self.hold is not None:
            os.close(self.hold)
        self.hold = make_memfd('hold', self.hold_bytes)
        self.welcome(BOOT, fds=[self.hold, self.staging])

    def restore(self):
        """Base image without the most recent pages, those in a slot"""
        self.generation += 1
        self.make_memory()
        slot = self.generation % SLOTS
        base = os.memfd_create('base', os.MFD_CLOEXEC)
        os.write(base, self.image)
        start = slot * self.slot_bytes()
        pages = sorted(self.recent)
        data = [p for p in pages if self.recent[p].count(0) != PAGE]
        lists = start + PAGE
        devstate = PAGE + self.ram_bytes // PAGE * 8
        devstate = (devstate + PAGE - 1) // PAGE * PAGE
        data_at = devstate + (self.hello[7] + PAGE - 1) // PAGE * PAGE
        SLOT_S.pack_into(self.slots, start, SLOT_MAGIC, self.committed,
                         self.generation, len(pages), len(data), PAGE,
                         devstate, len(self.devstate), data_at, 0)
        for i, page in enumerate(pages):
            zero = self.recent[page].count(0) == PAGE
            struct.pack_into('<Q', self.slots, lists + 8 * i,
                             page | (ZERO if zero else 0))
        for i, page in enumerate(data):
            at = start + data_at + i * PAGE
            self.slots[at:at + PAGE] = self.recent[page]
        at = start + devstate
        self.slots[at:at + len(self.devstate)] = self.devstate
        if self.mangle_slot:
            head = self.slots[start:start + SLOT_S.size]
            self.slots[start:start + SLOT_S.size] = self.mangle_slot(head)
        flags = WELCOME_HASH if self.hash is not None else 0
        identities = self.line(self.generation) if self.line else ()
        if self.line or self.lose_hold:
            flags |= WELCOME_NEW_LINE if self.line else 0
            os.close(self.hold)
            self.hold = make_memfd('hold', self.hold_bytes)
        else:
            flags |= WELCOME_HOLD
        self.welcome(RESTORE, flags, [self.hold, self.staging, base],
                     self.hash or 0, slot, identities)
        os.close(base)

    def on_epoch(self, epoch, payload):
        msg = EPOCH_S.unpack(payload)
        self.epochs.append(msg)
        if epoch <= self.committed:
            raise Protocol(f'EPOCH {epoch} again, {self.committed} is durable')
        if epoch in [e for e, _ in self.held_back]:
            raise Protocol(f'EPOCH {epoch} twice')
        if msg[1] & EPOCH_LAST:             # what a move takes along
            self.last_hold = os.pread(self.hold, self.hold_bytes, 0)
        self.held_back.append((epoch, msg))
        if not self.hold_back:
            self.commit_all()

    def commit_all(self):
        while self.held_back:
            self.commit(*self.held_back.pop(0))

    def on_arriving(self, epoch, generation, msg):
        """RAM of a guest that comes in, or the guest"""
        self.epochs.append(msg)
        if msg[1] & EPOCH_ARRIVED:
            if generation <= self.generation:
                raise Protocol(f'ARRIVED of generation {generation}')
            self.generation = generation
        self.take(epoch, msg)
        if msg[1] & EPOCH_ARRIVED:
            self.committed = epoch
            self.send(COMMITTED, epoch)
        else:
            self.send(STORED, epoch)

    def commit(self, epoch, msg):
        if epoch != self.committed + 1:
            raise Protocol(f'EPOCH {epoch} after {self.committed}')
        self.take(epoch, msg)
        self.committed = epoch
        self.line = None                    # the new line has one of its own
        if not self.mute:
            self.send(COMMITTED, epoch)

    def take(self, epoch, msg):
        """Copy an epoch out of its slot"""
        start = msg[0] * self.slot_bytes()
        magic, n, generation, n_pages, n_data, list_at, dev_at, dev_len, \
            data_at, ram_hash = SLOT_S.unpack_from(self.slots, start)
        if (magic, n, generation) != (SLOT_MAGIC, epoch, self.generation):
            raise Protocol(f'slot of epoch {epoch}: {magic:x} {n} '
                           f'{generation}')
        pages = struct.unpack_from(f'<{n_pages}Q', self.slots,
                                   start + list_at)
        at = start + data_at
        last = -1
        for entry in pages:
            page = entry & ~ZERO
            if page <= last or page * PAGE >= self.ram_bytes:
                raise Protocol(f'page list of epoch {epoch}: {page} behind '
                               f'{last}')
            last = page
            if entry & ZERO:
                self.recent[page] = bytes(PAGE)
            else:
                self.recent[page] = bytes(self.slots[at:at + PAGE])
                at += PAGE
        if at != start + data_at + n_data * PAGE:
            raise Protocol(f'epoch {epoch}: {n_data} pages of data')
        while len(self.recent) > self.tail_pages:
            page, data = self.recent.popitem()
            self.image[page * PAGE:(page + 1) * PAGE] = data
        self.devstate = bytes(self.slots[start + dev_at:
                                         start + dev_at + dev_len])
        self.hash = ram_hash if msg[1] & EPOCH_HASH else None
        self.pages.append(n_pages)
