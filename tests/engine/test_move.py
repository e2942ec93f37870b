#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_move.py - QEMU's own migration with the engine on, with fake ckptds

  test_move.py --tap [TEST...]         as test_engine.py

Every guest runs with verify=on: the increments add up to RAM while a migration
reads the same dirty log, and RAM that came in is what the destination stored.
"""

import os
import random
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from fake_ckptd import (EPOCH_ARRIVED, EPOCH_ARRIVING, EPOCH_FULL,  # noqa: E402
                        LEAVING, MAILBOX, MOVED, RESTORE, STAY, STAYS, UNKNOWN)
from test_engine import (DEADLINE_S, SEED, Bench, Qmp, check,       # noqa: E402
                         run)

GUEST = 'pages=20 mode=1 wait=0'


def both(a, b, condition, what):
    """Serve the ckptds of both until @condition()"""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}\n' + a.errors() +
                                 b.errors())
        a.ckptd.run_once(0.01)
        b.ckptd.run_once(0.01)


def begin(bench, epochs=4):
    """Boot a guest, and let it have some checkpoints"""
    bench.start(',verify=on')
    bench.until(lambda: bench.ckptd.committed >= epochs, 'epochs')
    return Qmp(bench.qmp_path)


def go_on(bench, epochs=20):
    """It takes checkpoints and loses no round"""
    have = bench.ckptd.committed
    bench.until(lambda: bench.ckptd.committed >= have + epochs, 'more epochs')
    check(bench.qemu.poll() is None, bench.errors())
    bench.assert_rounds()


def return_path(qmp):
    qmp.run('migrate-set-capabilities', capabilities=[
        {'capability': 'return-path', 'state': True}])


def status(qmp):
    return qmp.run('query-migrate')['return'].get('status')


def expect(bench, uri, engine=',verify=on'):
    """A QEMU that waits for a guest"""
    bench.start(engine, ['-incoming', uri])
    bench.until(lambda: os.path.exists(bench.qmp_path)
                and (engine is None or bench.ckptd.hello), 'the destination')
    qmp = Qmp(bench.qmp_path)
    return_path(qmp)
    return qmp


def assert_rounds_over(a, b):
    """What left here and there is all that the guest said, once"""
    numbers = a.rounds() + b.rounds()
    check(numbers == list(range(1, len(numbers) + 1)),
          f'{a.rounds()[-3:]} here, {b.rounds()[:3]} there')


def move(a, b, qmp):
    uri = 'unix:' + os.path.join(b.dir.name, 'migrate.sock')
    expect(b, uri)
    return_path(qmp)
    answer = qmp.run('migrate', uri=uri)
    check('error' not in answer, answer)
    both(a, b, lambda: b.ckptd.committed, 'the guest to arrive')


def test_guest_moves_with_what_is_held():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        qmp = begin(a)
        a.ckptd.hold_back = True        # so that output is held
        a.until(lambda: len(a.ckptd.held_back) == 2, 'two in flight')
        move(a, b, qmp)
        both(a, b, lambda: MOVED in a.ckptd.moves, 'ckptd to be told')
        told = a.rounds()
        check(a.ckptd.moves == [LEAVING, MOVED], a.ckptd.moves)
        check(b.ckptd.generation == a.ckptd.generation + 1, 'generation')
        a.ckptd.commit_all()            # whatever becomes durable here
        have = len(b.ckptd.output)
        both(a, b, lambda: len(b.ckptd.output) > have + 20, 'output there')
        check(a.rounds() == told, 'the gate here was open')
        assert_rounds_over(a, b)
        check(b.qemu.poll() is None, b.errors())


def test_ram_is_stored_while_it_comes():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        move(a, b, begin(a))
        arriving = [(m, n) for m, n in zip(b.ckptd.epochs, b.ckptd.pages)
                    if m[1] & EPOCH_ARRIVING]
        last = [n for m, n in zip(b.ckptd.epochs, b.ckptd.pages)
                if m[1] & EPOCH_ARRIVED]
        check(arriving[0][0][1] & EPOCH_FULL, 'the first is whole')
        check(len(last) == 1 and last[0] < arriving[0][1] // 4,
              f'{last} pages at the end, {arriving[0][1]} before')


def test_moved_guest_recovers_there():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        move(a, b, begin(a))
        both(a, b, lambda: len(b.ckptd.output) > 20, 'output there')
        b.kill()
        b.start(',verify=on')
        have = len(b.ckptd.output)
        b.until(lambda: len(b.ckptd.output) > have + 20, 'output again')
        check(b.ckptd.action == RESTORE, b.ckptd.action)
        assert_rounds_over(a, b)


def test_cancelled_migrations_lose_no_page():
    rng = random.Random(SEED)
    with Bench('pages=200 mode=1 wait=0') as b:
        qmp = begin(b)
        qmp.run('migrate-set-parameters', **{'max-bandwidth': 4 << 20})
        for _ in range(8):
            answer = qmp.run('migrate', uri='exec:cat>/dev/null')
            check('error' not in answer, answer)
            b.until(lambda: status(qmp) == 'active', 'it to begin')
            b.serve(rng.random())
            qmp.run('migrate_cancel')
            b.until(lambda: status(qmp) == 'cancelled', 'the cancel')
            go_on(b)
        check(not b.ckptd.moves, b.ckptd.moves)


def test_destination_that_cannot_load_it_gives_it_back():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        qmp = begin(a)
        uri = 'unix:' + os.path.join(b.dir.name, 'migrate.sock')
        expect(b, uri, engine=None)     # knows nothing of checkpoints
        return_path(qmp)
        qmp.run('migrate', uri=uri)
        both(a, b, lambda: STAYS in a.ckptd.moves, 'ckptd to be told')
        check(status(qmp) == 'failed', status(qmp))
        check(a.ckptd.moves == [LEAVING, STAYS], a.ckptd.moves)
        go_on(a)


def test_sent_to_the_unknown_it_waits_for_a_word():
    with Bench(GUEST) as b:
        qmp = begin(b)
        b.ckptd.hold_back = True
        b.until(lambda: len(b.ckptd.held_back) == 2, 'two in flight')
        qmp.run('migrate', uri='exec:cat>/dev/null')
        b.until(lambda: UNKNOWN in b.ckptd.moves, 'ckptd to be told')
        b.ckptd.hold_back = False
        b.ckptd.commit_all()
        have, told = b.ckptd.committed, len(b.ckptd.output)
        qmp.run('cont')
        b.until(lambda: not qmp.run('query-status')['return']['running'],
                'it to stand still again')
        b.serve(0.2)
        check((b.ckptd.committed, len(b.ckptd.output)) == (have, told),
              'it was not away')
        check('ckptctl reclaim' in b.errors(), b.errors())
        b.ckptd.send(STAY)
        go_on(b)
        check(b.ckptd.moves == [LEAVING, UNKNOWN, STAYS], b.ckptd.moves)


def test_without_ckptds_word_it_stays():
    with Bench(GUEST) as b:
        qmp = begin(b)
        b.ckptd.grant = False
        qmp.run('migrate', uri='exec:cat>/dev/null')
        b.until(lambda: b.ckptd.moves, 'LEAVING')
        b.ckptd.disconnect()
        b.ckptd.listen()
        b.until(lambda: STAYS in b.ckptd.moves, 'STAYS')
        check(status(qmp) == 'failed', status(qmp))
        go_on(b)


def test_reconnect_repeats_that_it_is_away():
    with Bench(GUEST) as b:
        qmp = begin(b)
        qmp.run('migrate', uri='exec:cat>/dev/null')
        b.until(lambda: UNKNOWN in b.ckptd.moves, 'ckptd to be told')
        b.ckptd.disconnect()
        b.ckptd.listen()
        b.until(lambda: b.ckptd.moves.count(UNKNOWN) == 2, 'it again')


def test_file_holds_the_guest():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        qmp = begin(a)
        a.ckptd.hold_back = True
        a.until(lambda: len(a.ckptd.held_back) == 2, 'two in flight')
        path = os.path.join(a.dir.name, 'state')
        qmp.run('migrate', uri=f'exec:cat>{path}')
        a.until(lambda: UNKNOWN in a.ckptd.moves, 'the file')
        a.kill()
        b.start(',verify=on', ['-incoming', f'exec:cat {path}'])
        b.until(lambda: len(b.ckptd.output) > 20, 'output')
        assert_rounds_over(a, b)


def load(b, path, whole):
    """A QEMU loads these bytes.  Return: whether it took the guest"""
    with open(path, 'wb') as file:
        file.write(whole)
    b.ckptd.committed = b.ckptd.generation = 0
    b.start(',verify=on', ['-incoming', f'exec:cat {path}'])
    b.until(lambda: b.qemu.poll() is not None or b.ckptd.committed,
            'it to be refused or taken')
    check(b.qemu.poll() in (None, 1), f'{b.qemu.poll()}: {b.errors()}')
    b.kill()
    return bool(b.ckptd.committed)


def test_damaged_streams_are_refused():
    rng = random.Random(SEED)
    with Bench(GUEST) as a, Bench(GUEST) as b:
        qmp = begin(a)
        a.ckptd.hold_back = True
        a.until(lambda: len(a.ckptd.held_back) == 2, 'two in flight')
        path = os.path.join(a.dir.name, 'state')
        qmp.run('migrate', uri=f'exec:cat>{path}')
        a.until(lambda: UNKNOWN in a.ckptd.moves, 'the file')
        with open(path, 'rb') as file:
            whole = file.read()
        begins = whole.rindex(b'\x0bckpt-engine\x00\x00\x00\x00') + 20
        for _ in range(6):
            damaged = bytearray(whole)
            damaged[begins + rng.randrange(32)] ^= 1 << rng.randrange(1, 8)
            load(b, path, damaged)


def test_messages_that_make_no_sense_are_refused():
    with Bench(GUEST) as a, Bench(GUEST) as b:
        qmp = begin(a)
        for _ in range(20):             # the guest reads none
            a.ckptd.send(MAILBOX, payload=b'\1\0\0\0' + bytes(252))
        path = os.path.join(a.dir.name, 'state')
        go_on(a, 5)
        qmp.run('migrate', uri=f'exec:cat>{path}')
        a.until(lambda: UNKNOWN in a.ckptd.moves, 'the file')
        with open(path, 'rb') as file:
            whole = file.read()
        begins = whole.rindex(b'\x0bckpt-engine\x00\x00\x00\x00') + 20
        tx, rx, n, n_bytes = struct.unpack_from('>4I', whole, begins + 32)
        check((n, n_bytes) == (4, 4 * 256), (n, n_bytes))
        messages = begins + 48 + tx + rx
        for at, form, value in ((begins + 40, '>I', 3),
                                (messages, '<I', 0), (messages, '<I', 5),
                                (messages + 256 + 4, '<I', 241),
                                (messages + 768 + 4, '<I', 0xfffffff0)):
            damaged = bytearray(whole)
            struct.pack_into(form, damaged, at, value)
            check(not load(b, path, damaged), f'{at - begins} {value}')
        check(load(b, path, whole), b.errors())


def refused(word, capability=None, launched=False, uri='exec:cat>{}'):
    with Bench(GUEST) as b:
        b.ckptd.launched = launched
        b.start(',verify=on')
        b.until(lambda: b.ckptd.committed > 3, 'epochs')
        qmp = Qmp(b.qmp_path)
        if capability:
            qmp.run('migrate-set-capabilities', capabilities=[
                {'capability': capability, 'state': True}])
        answer = qmp.run('migrate', uri=uri.format(
            os.path.join(b.dir.name, 'state')))
        b.until(lambda: 'error' in answer or status(qmp) == 'failed',
                'the refusal')
        said = str(answer) + str(qmp.run('query-migrate'))
        check(word in said, said)
        check(not b.ckptd.moves, b.ckptd.moves)
        go_on(b)


def test_guest_of_ckptctl_run_is_refused():
    refused('ckptctl migrate', launched=True)


def test_postcopy_is_refused():
    refused('postcopy-ram', 'postcopy-ram')


def test_mapped_ram_is_refused():
    refused('mapped-ram', 'mapped-ram', uri='file:{}')


if __name__ == '__main__':
    sys.exit(run(globals()))
