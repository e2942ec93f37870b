#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""format_reader.py - reads a checkpoint store with ckptd/FORMAT.md alone

  format_reader.py STORE RAM-OUT DEVSTATE-OUT

Writes RAM and device state of the last checkpoint and prints its epoch. It is
here to prove that the page says enough; so it knows nothing of the C sources.
"""

import glob
import os
import struct
import sys

import xxhash

BLOCK = PAGE = 4096
ZERO = 1 << 63
ORIGIN = 1
VOIDS = 1
META = struct.Struct('<8sIIQQ16sQQQQQQQ16xQ')
SEGMENT = struct.Struct('<8sIIQQ16sQQQQ8xQ')
RECORD = struct.Struct('<8sQQIIQQQQQQQQQQ16x')
ENTRY = struct.Struct('<QQ')


class Damage(Exception):
    """What was committed is not whole"""


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


def read_file(directory, name):
    with open(os.path.join(directory, name), 'rb') as f:
        return f.read()


def read_manifest(directory):
    """Return: RAM in bytes"""
    text = read_file(directory, 'manifest')
    body, _, seal = text.partition(b'[seal]\n')
    if seal != b'xxh3=%016x\n' % xxh3(body):
        raise Damage('manifest')
    keys = dict(line.split('=', 1) for line in body.decode().splitlines()
                if '=' in line)
    if keys['version'] != '1':
        raise SystemExit('manifest: another version')
    return int(keys['ram_bytes'])


class Meta:
    """The meta page that counts"""

    def __init__(self, directory):
        text = read_file(directory, 'meta')
        best = None
        for number in range(2):
            page = text[number * BLOCK:(number + 1) * BLOCK]
            if len(page) < META.size:
                continue
            fields = META.unpack_from(page)
            if fields[0] == b'SLUCMETA' and fields[-1] == xxh3(page[:120]) \
                    and fields[6] % 2 == number \
                    and (best is None or fields[6] > best[6]):
                best = fields
        if best is None:
            raise Damage('meta')
        if best[1] != 1 or best[3] & ~ORIGIN:
            raise SystemExit('meta: another version')
        self.base = 'origin' if best[3] & ORIGIN else 'base'
        (self.store_id, _, self.generation, self.base_epoch, self.base_seal,
         self.fold_epoch, self.committed, self.log_seq) = best[5:13]


class Segment:
    """A file of the log"""

    def __init__(self, path, store_id):
        with open(path, 'rb') as f:
            self.data = f.read()
        self.seq = self.salt = self.void_epoch = 0
        self.header_valid = False
        if len(self.data) < SEGMENT.size:
            return
        (magic, version, _, incompat, _, owner, seq, salt, size, void_epoch,
         total) = SEGMENT.unpack_from(self.data)
        if magic == b'SLUCSEGM' and total == xxh3(self.data[:88]) and \
                owner == store_id and size == len(self.data):
            if version != 1 or incompat & ~VOIDS:
                raise SystemExit(path + ': another version')
            self.header_valid = True
            self.seq, self.salt = seq, salt
            self.void_epoch = void_epoch if incompat & VOIDS else 0

    def record(self, at, ram_pages, any_salt=False):
        """Return: the sealed record at @at, or None"""
        if at + BLOCK > len(self.data):
            return None
        r = Record(self, at)
        if r.magic != b'SLUCRECD' or not (any_salt or r.salt == self.salt):
            return None
        return r if r.is_sealed(ram_pages) else None


class Record:
    """One checkpoint"""

    def __init__(self, segment, at):
        self.segment = segment
        self.at = at
        (self.magic, self.seal, self.salt, self.struct_bytes, self.flags,
         self.epoch, self.generation, self.committed, self.prev_seal,
         self.record_bytes, self.meta_bytes, self.n_pages, self.n_data,
         self.devstate_bytes, self.ram_hash) = \
            RECORD.unpack_from(segment.data, at)
        self.entries = []

    def is_sealed(self, ram_pages):
        used = self.struct_bytes + ENTRY.size * self.n_pages + \
            self.devstate_bytes
        if not RECORD.size <= self.struct_bytes <= BLOCK or \
                self.n_pages > ram_pages or self.n_data > self.n_pages or \
                self.devstate_bytes > 64 << 20 or \
                self.meta_bytes != (used + BLOCK - 1) // BLOCK * BLOCK or \
                self.record_bytes != self.meta_bytes + PAGE * self.n_data or \
                self.at + self.record_bytes > len(self.segment.data) or \
                not self.committed < self.epoch:
            return False
        meta = self.segment.data[self.at:self.at + self.meta_bytes]
        if self.seal != xxh3(meta[16:], self.salt):
            return False
        end = self.struct_bytes + ENTRY.size * self.n_pages
        self.entries = list(ENTRY.iter_unpack(meta[self.struct_bytes:end]))
        numbers = [page & ~ZERO for page, _ in self.entries]
        return all(a < b for a, b in zip(numbers, numbers[1:])) and \
            all(n < ram_pages for n in numbers) and \
            sum(not page & ZERO for page, _ in self.entries) == self.n_data

    def pages(self):
        """Yield: page number, content (None: zero), whether it is whole"""
        at = self.at + self.meta_bytes
        for page, total in self.entries:
            if page & ZERO:
                yield page & ~ZERO, None, total == 0
            else:
                data = self.segment.data[at:at + PAGE]
                at += PAGE
                yield page, data, total == xxh3(data)

    def is_whole(self):
        return all(whole for _, _, whole in self.pages())

    def devstate(self):
        at = self.at + self.struct_bytes + ENTRY.size * self.n_pages
        return self.segment.data[at:at + self.devstate_bytes]


def walk(live, meta, ram_pages):
    """Return: the records, and where in which segment they end"""
    records = []
    epoch, seal, generation = meta.base_epoch, meta.base_seal, 0
    ends = []
    for number, segment in enumerate(live):
        if segment.void_epoch and epoch >= segment.void_epoch:
            if epoch > segment.void_epoch or not records:
                raise Damage(f'epoch {segment.void_epoch} had failed')
            r = records.pop()
            ends[[s.seq for s in live[:number]].index(r.segment.seq)] = r.at
            epoch, seal = epoch - 1, r.prev_seal
            generation = records[-1].generation if records else 0
        at = BLOCK
        while True:
            r = segment.record(at, ram_pages)
            if r is None:
                break
            if r.epoch != epoch + 1 or r.prev_seal != seal or \
                    not generation <= r.generation <= meta.generation:
                raise Damage(f'the record of epoch {r.epoch} does not follow')
            records.append(r)
            epoch, seal, generation = r.epoch, r.seal, r.generation
            at += r.record_bytes
        ends.append(at)
    return records, ends


def look_behind(segments, live, ends, records, ram_pages, last_epoch):
    first = records[-1].segment.seq if records else 0
    places = [(s, end + BLOCK, False) for s, end in zip(live, ends)
              if s.seq >= first]
    places += [(s, BLOCK, True) for s in segments if not s.header_valid]
    for segment, start, any_salt in places:
        for at in range(start, len(segment.data), BLOCK):
            r = segment.record(at, ram_pages, any_salt)
            if r and r.epoch > last_epoch:
                raise Damage(f'epoch {r.epoch} lies behind a gap')


def recover(directory):
    """Return: RAM, device state and epoch of the last checkpoint"""
    ram_bytes = read_manifest(directory)
    ram_pages = ram_bytes // PAGE
    meta = Meta(directory)
    segments = [Segment(p, meta.store_id) for p in
                glob.glob(os.path.join(directory, 'log-[0-9][0-9][0-9][0-9]'))]
    live = sorted((s for s in segments if s.seq >= meta.log_seq),
                  key=lambda s: s.seq)
    if not live or [s.seq for s in live] != \
            list(range(meta.log_seq, meta.log_seq + len(live))):
        raise Damage('a segment is missing')
    records, ends = walk(live, meta, ram_pages)
    last_epoch = records[-1].epoch if records else meta.base_epoch
    look_behind(segments, live, ends, records, ram_pages, last_epoch)
    if records and not records[-1].is_whole():
        records.pop()
    known = max(meta.committed, meta.fold_epoch)
    if known and (not records or records[-1].epoch < known):
        raise Damage(f'epoch {known} was committed')

    ram = bytearray(read_file(directory, meta.base))
    if len(ram) != ram_bytes:
        raise Damage(f'{meta.base}: not as large as RAM')
    for r in records:
        for page, data, whole in r.pages():
            if not whole:
                raise Damage(f'a page of epoch {r.epoch}')
            ram[page * PAGE:(page + 1) * PAGE] = data or bytes(PAGE)
    if not records:
        return ram, b'', 0
    last = records[-1]
    if last.flags & 1 and last.ram_hash != xxh3(bytes(ram)):
        raise Damage('the hash of RAM')
    return ram, last.devstate(), last.epoch


def main():
    directory, ram_out, devstate_out = sys.argv[1:]
    ram, devstate, epoch = recover(directory)
    with open(ram_out, 'wb') as f:
        f.write(ram)
    with open(devstate_out, 'wb') as f:
        f.write(devstate)
    print(epoch)


if __name__ == '__main__':
    main()
