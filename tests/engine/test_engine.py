#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_engine.py - what the checkpoint engine promises, with a fake ckptd

  test_engine.py --tap [TEST...]       TAP; ENGINE_SEED=N repeats a run
  test_engine.py --pause               pause by phase, as a table

ENGINE_ACCEL=kvm and ENGINE_DEADLINE_S=N are for hosts that have it, or are slow.

A QEMU with tests/engine/guest.c inside on one side, fake_ckptd.py on the other.
"""

import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from fake_ckptd import (COMMIT_NOW, CONTINUE, EPOCH_LAST, EXIT,  # noqa: E402
                        FREEZE, LOG, MAILBOX, MSG, PANIC, PASS, QUIT, RESTORE,
                        FakeCkptd)

TOP = os.path.dirname(os.path.dirname(HERE))
QEMU = os.environ.get('QTEST_QEMU_BINARY',
                      os.path.join(TOP, 'build/qemu/qemu-system-x86_64'))
GUEST = os.environ.get('ENGINE_GUEST',
                       os.path.join(TOP, 'build/tests/engine/guest.elf'))
SEED = int(os.environ.get('ENGINE_SEED', time.time_ns() % 1000000))
ACCEL = os.environ.get('ENGINE_ACCEL', 'tcg')
RAM_MIB = 64
DEADLINE_S = int(os.environ.get('ENGINE_DEADLINE_S', 120))
MACHINE = ('microvm,acpi=off,pit=off,pic=off,rtc=off,pcie=off,usb=off,'
           'ioapic2=off,isa-serial=off,x-option-roms=off,'
           'auto-kernel-cmdline=off')


class Qmp:
    """Just enough of a monitor"""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(path)
        self.file = self.sock.makefile('rw')
        self.events, self.data = [], []
        json.loads(self.file.readline())
        self.run('qmp_capabilities')

    def run(self, command, **arguments):
        self.file.write(json.dumps({'execute': command,
                                    'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'event' not in answer:
                return answer
            self.note(answer)

    def note(self, answer):
        self.events.append(answer['event'])
        self.data.append(answer.get('data'))

    def event(self, name):
        """The data of the oldest event @name that nobody asked for yet"""
        while name not in self.events:
            self.note(json.loads(self.file.readline()))
        at = self.events.index(name)
        self.events[at] = None
        return self.data[at]


class Bench:
    """One guest: its fake ckptd, and whatever QEMU runs it at the moment"""

    netdev = 'hubport,id=n0,hubid=0'
    kernel = GUEST

    def __init__(self, cmdline, **fake):
        self.dir = tempfile.TemporaryDirectory(prefix='engine-')
        self.path = os.path.join(self.dir.name, 'ckptd.sock')
        self.qmp_path = os.path.join(self.dir.name, 'qmp.sock')
        self.cmdline = cmdline
        self.ckptd = FakeCkptd(self.path, RAM_MIB << 20, **fake)
        self.qemu = None
        self.stderr = open(os.path.join(self.dir.name, 'stderr'), 'w+')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()
        self.ckptd.close()
        self.stderr.close()
        self.dir.cleanup()

    def start(self, engine='', args=(), no_reboot=True, machine=MACHINE):
        bios = 'qboot.rom' if machine == MACHINE else 'bios.bin'
        command = [QEMU, '-nodefaults', '-no-user-config', '-display', 'none',
                   '-M', machine, '-accel', ACCEL, '-cpu',
                   'host' if ACCEL == 'kvm' else 'max', '-global',
                   'apic-common.vapic=off', '-m', str(RAM_MIB), '-bios',
                   bios, '-kernel', self.kernel, '-append', self.cmdline,
                   '-qmp', f'unix:{self.qmp_path},server=on,wait=off',
                   '-netdev', self.netdev,
                   '-device', 'ckpt-nic,netdev=n0']
        if no_reboot:
            command += ['-no-reboot']
        if engine is not None:
            command += ['-object', 'ckpt-engine,id=ck0,'
                        f'path={self.path},guest=test{engine}']
        self.qemu = subprocess.Popen(command + list(args), stdout=self.stderr,
                                     stderr=self.stderr,
                                     stdin=subprocess.DEVNULL)

    def kill(self):
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        while self.ckptd.run_once(0):       # what it had said before
            pass

    def until(self, condition, what):
        """Serve ckptd's socket until @condition() holds"""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f'waited in vain for {what}')
            self.ckptd.run_once(0.05)

    def until_exit(self):
        self.until(lambda: self.qemu.poll() is not None, 'QEMU to end')
        while self.ckptd.run_once(0):
            pass
        return self.qemu.returncode

    def serve(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.ckptd.run_once(max(end - time.monotonic(), 0))

    def errors(self):
        self.stderr.flush()
        self.stderr.seek(0)
        return self.stderr.read()

    def rounds(self):
        """Numbers logged, in order; a record seen twice counts once"""
        by_seq = {}
        for kind, flags, _, seq, data in self.ckptd.output:
            if kind == LOG:
                assert flags == 1, 'log not marked as committed'
                assert by_seq.setdefault(seq, data) == data, \
                    f'seq {seq} is {by_seq[seq]} and {data}'
        return [int(by_seq[s].split()[1]) for s in sorted(by_seq)]

    def assert_rounds(self, last=None):
        numbers = self.rounds()
        assert numbers == list(range(1, len(numbers) + 1)), \
            f'rounds are missing or doubled: {numbers[:5]}...{numbers[-5:]}'
        if last is not None:
            assert numbers[-1] == last, f'{numbers[-1]} rounds, not {last}'


def check(condition, what):
    if not condition:
        raise AssertionError(what)


# --- tests: each name is a promise -----------------------------------------

def test_exit_is_told_after_its_commit():
    with Bench('pages=10 rounds=20') as b:
        b.start()
        check(b.until_exit() == 0, 'status')
        b.assert_rounds(20)
        check(b.ckptd.output[-1][0] == EXIT, 'EXIT is last')
        check(b.ckptd.byes == [('exit', 42, b'')], b.ckptd.byes)


def test_panic_is_told_at_once():
    with Bench('pages=10 rounds=10 wait=0 panic=7') as b:
        b.ckptd.hold_back = True
        b.start()
        check(b.until_exit() == 101, 'status')
        check(b.ckptd.output[-1][0] == PANIC, b.ckptd.output)
        check(b.ckptd.output[-1][1] == 0, 'not marked as committed')
        check(b.ckptd.byes[0][0] == 'panic', b.ckptd.byes)


def test_triple_fault_is_a_panic():
    with Bench('pages=10 rounds=10 fault=3') as b:
        b.start()
        check(b.until_exit() == 101, 'status')
        check(b.ckptd.byes[0][0] == 'panic', b.ckptd.byes)


def test_without_engine_output_leaves_at_once():
    with Bench('pages=10 rounds=5 wait=0') as b:
        b.start(engine=None)
        check(b.qemu.wait(DEADLINE_S) == 42, 'status')
        check('round 5' in b.errors(), b.errors())


def test_checkpoint_off_passes_output():
    with Bench('pages=10 rounds=5 wait=0') as b:
        b.start(',checkpoint=off')
        check(b.until_exit() == 0, 'status')
        check(b.ckptd.action == PASS, 'PASS')
        check(len(b.ckptd.epochs) == 0, 'no epochs')
        check([o[0] for o in b.ckptd.output] == [LOG] * 5 + [EXIT],
              b.ckptd.output)
        check(b.ckptd.byes == [('exit', 42, b'')], b.ckptd.byes)


def test_no_ckptd_is_a_clear_error():
    with Bench('pages=10') as b:
        b.ckptd.disconnect()
        b.start()
        check(b.qemu.wait(DEADLINE_S) == 1, 'status')
        check('cannot reach ckptd' in b.errors(), b.errors())


def test_two_vcpus_are_refused():
    with Bench('pages=10') as b:
        b.start(args=['-smp', '2'])
        check(b.until_exit() == 1, 'status')
        check('one vCPU' in b.errors(), b.errors())


def test_other_ram_is_refused():
    with Bench('pages=10') as b:
        b.start(machine='pc', args=[
            '-m', '64,slots=1,maxmem=1G',
            '-object', 'memory-backend-ram,id=other,size=128M',
            '-device', 'pc-dimm,memdev=other'])
        status = b.until_exit()
        check("RAM block 'other'" in b.errors(), b.errors())
        check(status == 1, 'status')


def test_thousand_epochs_add_up_to_ram():
    with Bench('pages=40 mode=1') as b:
        b.start(',verify=on')
        b.until(lambda: b.ckptd.committed >= 1000, '1000 epochs')
        check(b.qemu.poll() is None, b.errors())
        b.assert_rounds()


def test_two_epochs_in_flight_add_up_to_ram():
    rng = random.Random(SEED)
    with Bench('pages=20 mode=1 wait=0') as b:
        b.start(',verify=on')
        b.ckptd.hold_back = True
        while b.ckptd.committed < 300:
            b.until(lambda: len(b.ckptd.held_back) == 2, 'two in flight')
            b.serve(rng.random() * 0.02)
            check(len(b.ckptd.held_back) == 2, 'a third')
            b.ckptd.commit(*b.ckptd.held_back.pop(0))
            if rng.random() < 0.5:
                b.ckptd.commit_all()
        check(b.qemu.poll() is None, b.errors())
        b.assert_rounds()


def kill_and_restore(b, rng, times, engine):
    for i in range(times):
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + rng.randrange(8), 'epochs')
        b.serve(rng.random() * 0.01)
        b.kill()
        b.ckptd.held_back = []
        b.start(engine)
        b.until(lambda: b.ckptd.generation == i + 2, 'the next QEMU')
        check(b.ckptd.action == RESTORE, b.errors())
    have = b.ckptd.committed
    b.until(lambda: b.ckptd.committed > have + 20, 'epochs after the last')
    check(b.qemu.poll() is None, b.errors())
    b.assert_rounds()


def test_killed_at_random_it_goes_on_where_it_was():
    rng = random.Random(SEED)
    with Bench('pages=30 mode=1', tail_pages=100) as b:
        b.start(',verify=on')
        kill_and_restore(b, rng, 25, ',verify=on')


def test_killed_with_epochs_in_flight_nothing_is_lost():
    rng = random.Random(SEED)
    with Bench('pages=30 mode=1 wait=0', tail_pages=100) as b:
        b.start(',verify=on')
        b.until(lambda: b.ckptd.committed > 3, 'epochs')
        for i in range(15):
            b.serve(rng.random() * 0.02)
            b.ckptd.hold_back = True
            b.serve(rng.random() * 0.02)
            b.kill()
            b.ckptd.held_back = []
            b.ckptd.hold_back = False
            b.start(',verify=on')
            have = b.ckptd.committed
            b.until(lambda: b.ckptd.committed > have + 3, 'epochs')
        check(b.ckptd.generation == 16, b.errors())
        b.assert_rounds()


def test_output_of_durable_epochs_leaves_after_a_recovery():
    with Bench('pages=10 mode=1 wait=0') as b:
        b.start()
        for _ in range(8):
            have = b.ckptd.committed
            b.until(lambda: b.ckptd.committed > have + 4, 'epochs')
            b.ckptd.mute = True             # durable, but QEMU never knows
            have = b.ckptd.committed
            b.until(lambda: b.ckptd.committed == have + 2, 'two more')
            b.kill()
            b.ckptd.mute = False
            b.start()
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 4, 'epochs')
        b.assert_rounds()


def test_input_of_a_lost_epoch_is_delivered_again():
    def mails(b):
        return [o[4] for o in b.ckptd.output if o[4].startswith(b'mail')]

    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        b.ckptd.hold_back = True
        b.ckptd.send(MAILBOX, payload=b'\1\0\0\0' + bytes(252))
        b.until(lambda: b.ckptd.held_back, 'an epoch that says mail')
        b.kill()
        check(mails(b) == [], 'mail was read in an epoch that is lost')
        b.ckptd.held_back = []
        b.ckptd.hold_back = False
        b.start()
        b.until(lambda: len(mails(b)) == 2, 'both messages')
        check(sorted(mails(b)) == [b'mail 1\n', b'mail 3\n'], mails(b))


def test_ckptd_away_keeps_the_gate_shut():
    rng = random.Random(SEED)
    with Bench('pages=10 mode=1 wait=0') as b:
        b.start(',verify=on,reconnect-ms=5')
        for _ in range(10):
            have = b.ckptd.committed
            b.until(lambda: b.ckptd.committed > have + 5, 'epochs')
            b.ckptd.hold_back = rng.random() < 0.5
            b.serve(rng.random() * 0.01)
            b.ckptd.disconnect()
            time.sleep(rng.random() * 0.05)
            b.ckptd.hold_back = False
            b.ckptd.action = 0
            b.ckptd.listen()
            b.until(lambda: b.ckptd.action == CONTINUE, 'a reconnect')
        check(b.qemu.poll() is None, b.errors())
        check(b.ckptd.generation == 1, 'one QEMU')
        b.assert_rounds()


def test_durable_but_not_told_is_settled_by_welcome():
    with Bench('pages=10 mode=1 wait=0') as b:
        b.start(',verify=on,reconnect-ms=5')
        b.until(lambda: b.ckptd.committed > 5, 'epochs')
        b.ckptd.hold_back = True
        b.until(lambda: len(b.ckptd.held_back) == 2, 'two in flight')
        b.ckptd.mute = True                 # durable, but COMMITTED is lost
        b.ckptd.commit(*b.ckptd.held_back.pop(0))
        b.ckptd.mute = False
        b.ckptd.disconnect()
        b.ckptd.hold_back = False
        b.ckptd.listen()
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 5, 'epochs')
        b.assert_rounds()


def test_another_generation_stops_the_guest():
    with Bench('pages=10') as b:
        b.start(',reconnect-ms=5')
        b.until(lambda: b.ckptd.committed > 5, 'epochs')
        b.ckptd.disconnect()
        b.ckptd.generation += 1
        b.ckptd.listen()
        b.until(lambda: b.ckptd.action == CONTINUE, 'a reconnect')
        check(b.qemu.wait(DEADLINE_S) == 1, 'status')
        check('must not go on' in b.errors(), b.errors())


def test_impossible_epoch_stops_the_guest():
    with Bench('pages=10') as b:
        b.start(',reconnect-ms=5')
        b.until(lambda: b.ckptd.committed > 5, 'epochs')
        b.ckptd.disconnect()
        b.ckptd.lie = 1000
        b.ckptd.listen()
        b.until(lambda: b.ckptd.action == CONTINUE, 'a reconnect')
        check(b.qemu.wait(DEADLINE_S) == 1, 'status')
        check('is durable' in b.errors(), b.errors())


def test_idle_guest_takes_no_checkpoints():
    with Bench('pages=10 wait=2', max_interval_ms=10) as b:
        b.start()
        b.until(b.rounds, 'the log line')
        b.serve(0.3)
        have = b.ckptd.committed
        b.serve(1)
        check(b.ckptd.committed == have, f'{b.ckptd.committed - have} epochs '
              'of an idle guest')
        check(b.qemu.poll() is None, b.errors())


def test_changed_memory_is_committed_by_max_interval():
    with Bench('pages=10 rounds=0 wait=3', max_interval_ms=20) as b:
        b.start(',verify=on')
        b.until(lambda: b.ckptd.committed >= 20, 'epochs by interval')
        check(b.ckptd.epochs[-1][2] == 4, 'cause is INTERVAL')


def test_commit_now_and_qmp():
    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        have = b.ckptd.committed
        b.ckptd.send(COMMIT_NOW)
        b.until(lambda: b.ckptd.committed == have + 1, 'COMMIT_NOW')
        qmp = Qmp(b.qmp_path)
        epoch = qmp.run('ckpt-commit')['return']['epoch']
        b.until(lambda: b.ckptd.committed == epoch, 'ckpt-commit')
        info = qmp.run('query-ckpt')['return']
        check(info['state'] == 'run' and info['connected'], info)
        check('CKPT_COMMITTED' in qmp.events, qmp.events)


def test_freeze_takes_one_last_checkpoint():
    with Bench('pages=10 mode=1 wait=0') as b:
        for _ in range(3):
            b.start()
            have = b.ckptd.committed
            b.until(lambda: b.ckptd.committed > have + 4, 'epochs')
            b.ckptd.send(FREEZE)
            b.until(lambda: b.ckptd.epochs[-1][1] & EPOCH_LAST, 'the last')
            have, told = b.ckptd.committed, len(b.ckptd.output)
            b.ckptd.send(COMMIT_NOW)
            info = Qmp(b.qmp_path).run('query-status')['return']
            check(not info['running'], info)
            check((b.ckptd.committed, len(b.ckptd.output)) == (have, told),
                  'an epoch or output behind the last one')
            b.kill()
        b.start()
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 4, 'epochs')
        b.assert_rounds()


def test_quit_ends_in_good_order():
    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        b.ckptd.send(QUIT)
        check(b.until_exit() == 0, 'status')
        check(b.ckptd.byes[0][0] == 'shutdown', b.ckptd.byes)


def until_it_stays(b, engine=''):
    """The guest has ended, its QEMU has not; ckptd is gone"""
    b.start(f',reconnect-ms=5{engine}', args=['-no-shutdown'],
            no_reboot=False)
    b.until(lambda: b.ckptd.byes, 'BYE')
    forget(b)


def forget(b):
    """ckptd dies, and what it was told with it"""
    b.ckptd.disconnect()
    b.ckptd.byes.clear()
    b.ckptd.output.clear()


def until_status(b, qmp, status):
    b.until(lambda: qmp.run('query-status')['return']['status'] == status,
            status)


def test_the_end_is_said_again_to_a_ckptd_that_comes_back():
    for engine in '', ',checkpoint=off':
        with Bench('pages=10 rounds=20') as b:
            until_it_stays(b, engine)
            for _ in range(2):
                b.ckptd.listen()
                b.until(lambda: b.ckptd.byes, 'BYE again')
                check(b.ckptd.byes == [('exit', 42, b'')], b.ckptd.byes)
                check(engine or b.ckptd.output[-1][0] == EXIT, 'EXIT again')
                forget(b)
            check(b.qemu.poll() is None, 'it stays')


def test_a_reset_behind_the_end_is_first_said_to_ckptd():
    for engine in '', ',checkpoint=off':
        with Bench('pages=10 rounds=20') as b:
            until_it_stays(b, engine)
            qmp = Qmp(b.qmp_path)
            until_status(b, qmp, 'shutdown')
            qmp.run('system_reset')
            b.until(lambda q=qmp: 'return' in q.run('cont'), 'the reset')
            qmp.event('RESUME')
            until_status(b, qmp, 'paused')
            b.ckptd.listen()
            check(b.until_exit() == 0, 'status')
            check(b.ckptd.byes == [('reset', 0, b'')], b.ckptd.byes)
            check(engine or b.ckptd.output[-1][0] == EXIT, 'EXIT before it')


def test_exit_that_ckptd_did_not_live_to_note_is_said_again():
    for lose_hold in False, True:
        with Bench('pages=10 rounds=20') as b:
            b.start()
            for _ in range(3):              # QEMU ends, ckptd is killed
                check(b.until_exit() == 0, 'status')
                check(b.ckptd.output[-1][0] == EXIT, b.ckptd.output)
                check(b.ckptd.byes == [('exit', 42, b'')], b.ckptd.byes)
                forget(b)
                b.ckptd.listen()
                b.ckptd.lose_hold = lose_hold
                b.start()
            check(b.until_exit() == 0, 'status')
            check([o[0] for o in b.ckptd.output] == [EXIT], b.ckptd.output)


def test_exit_that_is_held_is_said_once():
    with Bench('pages=10 rounds=20 wait=0') as b:
        b.start()
        b.ckptd.hold_back = True
        b.until(lambda: b.ckptd.held_back, 'an epoch')
        while b.ckptd.held_back:
            b.ckptd.mute = True             # durable, but QEMU never knows
            b.ckptd.commit_all()
            b.ckptd.send(COMMIT_NOW)
            b.serve(0.2)
        b.kill()
        b.ckptd.mute = b.ckptd.hold_back = False
        b.start()
        check(b.until_exit() == 0, 'status')
        b.assert_rounds(20)
        check([o[0] for o in b.ckptd.output].count(EXIT) == 1, b.ckptd.output)


def test_mailbox_reaches_the_guest():
    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        b.ckptd.send(MAILBOX, payload=b'\1\0\0\0' + bytes(252))
        b.until(lambda: any(o[4].startswith(b'mail 1') for o in
                            b.ckptd.output), 'the guest to read it')


def test_unread_mail_survives_a_recovery():
    def said(b):
        return any(o[4].startswith(b'mail 1') for o in b.ckptd.output)

    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        Qmp(b.qmp_path).run('stop')
        have = b.ckptd.committed
        b.ckptd.send(MAILBOX, payload=b'\1\0\0\0' + bytes(252))
        b.ckptd.send(COMMIT_NOW)
        b.until(lambda: b.ckptd.committed > have, 'COMMIT_NOW')
        b.kill()
        check(not said(b), 'a stopped guest has read its mail')
        b.start()
        b.until(lambda: said(b), 'the guest to read it')


def test_restored_guest_is_told_its_generation():
    with Bench('pages=10 wait=2') as b:
        b.start()
        b.until(b.rounds, 'the log line')
        b.kill()
        b.start()
        b.until(lambda: any(o[4].startswith(b'mail 3') for o in
                            b.ckptd.output), 'the guest to read it')


def test_system_reset_works_after_a_recovery():
    with Bench('pages=10 mode=1') as b:
        b.start(',verify=on', no_reboot=False)
        b.until(lambda: b.ckptd.committed > 10, 'epochs')
        b.kill()
        b.start(',verify=on', no_reboot=False)
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 10, 'epochs')
        check(b.ckptd.action == RESTORE, 'restored')
        before = len(b.ckptd.output)
        Qmp(b.qmp_path).run('system_reset')
        b.until(lambda: any(o[4] == b'round 1\n'
                            for o in b.ckptd.output[before:]), 'a fresh boot')
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 20, 'epochs')
        check(b.qemu.poll() is None, b.errors())


def test_stop_and_cont_keep_the_clocks():
    with Bench('pages=10 mode=1') as b:
        b.start(',verify=on')
        b.until(lambda: b.ckptd.committed > 10, 'epochs')
        qmp = Qmp(b.qmp_path)
        qmp.run('stop')
        b.serve(0.1)
        epoch = qmp.run('ckpt-commit')['return']['epoch']
        b.until(lambda: b.ckptd.committed >= epoch, 'commit while stopped')
        qmp.run('cont')
        b.until(lambda: b.ckptd.committed > epoch + 10, 'epochs')
        b.assert_rounds()


def nonsense(rng, generation):
    """A message that no ckptd would send: bytes, descriptors"""
    mail = struct.pack('<IIQ', rng.choice((0, 1, 9, 1 << 31)),
                       rng.choice((241, 1 << 31)), 0) + bytes(240)
    kind, epoch, payload, length, fds = rng.choice((
        (5, 1 << 60, b'', 0, []),               # COMMITTED of the far future
        (5, 0, b'', 0, []),                     # or of the past
        (5, 0, b'', 77, []),                    # with a wrong length
        (7, 0, mail, len(mail), []),            # a wrong mailbox message
        (7, 0, mail[:9], 9, []),
        (8, 0, b'', 0, [0, 1]),                 # descriptors nobody wants
        (2, 0, bytes(64), 64, []),              # WELCOME in mid-run
        (rng.randrange(11, 1 << 32), 0, b'', 0, [])))
    data = MSG.pack(kind, length, epoch, generation) + payload
    return rng.choice((
        (data, fds), (data, fds), (data, fds),
        (MSG.pack(8, 0, 0, generation + 1), []),
        (rng.randbytes(rng.randrange(1, 100)), []),
        (rng.randbytes(20000), [])))


def test_nonsense_only_costs_the_connection():
    rng = random.Random(SEED)
    with Bench('pages=10 mode=1') as b:
        b.start(',verify=on,reconnect-ms=2')
        b.until(lambda: b.ckptd.committed > 2, 'epochs')
        for _ in range(60):
            data, fds = nonsense(rng, b.ckptd.generation)
            b.ckptd.action = 0
            socket.send_fds(b.ckptd.sock, [data], fds)
            b.until(lambda: b.ckptd.action == CONTINUE, f'an end to {data}')
        have = b.ckptd.committed
        b.until(lambda: b.ckptd.committed > have + 5, 'epochs')
        b.assert_rounds()


def mangler(rng, harmless=()):
    """Changes one 32-bit word of a message, none at an offset of @harmless"""
    def mangle(data):
        at = rng.choice([o for o in range(0, len(data), 4)
                         if o not in harmless])
        word = rng.choice((0, 1, 2, 3, 4095, 4096, 0x7fffffff, 0xffffffff,
                           rng.randrange(1 << 32)))
        return data[:at] + struct.pack('<I', word) + data[at + 4:]
    return mangle


# WELCOME's flags and least interval: a restore unchecked, a guest that waits
WELCOME_FREE = (8, 52)


def start_mangled(b):
    """QEMU must run, or end with an error; nothing else"""
    generation = b.ckptd.generation
    have = b.ckptd.committed
    b.start(',verify=on')
    b.until(lambda: b.qemu.poll() is not None or
            b.ckptd.generation > generation and b.ckptd.committed > have + 1,
            'QEMU to run or to end')
    check(b.qemu.poll() in (None, 1), f'{b.qemu.poll()}: {b.errors()}')


def test_mangled_welcome_is_an_error_at_most():
    rng = random.Random(SEED)
    for _ in range(20):
        with Bench('pages=10') as b:
            b.ckptd.mangle = mangler(rng, WELCOME_FREE)
            start_mangled(b)


def test_mangled_restore_is_an_error_at_most():
    rng = random.Random(SEED)
    for i in range(20):
        with Bench('pages=10') as b:
            b.start(',verify=on')
            b.until(lambda: b.ckptd.committed > 3, 'epochs')
            b.kill()
            if i % 2:
                b.ckptd.mangle = mangler(rng, WELCOME_FREE)
            else:
                b.ckptd.mangle_slot = mangler(rng)
            start_mangled(b)


def test_guests_clock_does_not_lose_the_pauses():
    def sample(b):
        have = len(b.ckptd.output)
        b.until(lambda: len(b.ckptd.output) > have, 'output')
        return time.monotonic(), int(b.ckptd.output[-1][4].split()[1])

    with Bench('pages=500 mode=1 clock=1') as b:
        b.start()
        b.until(lambda: b.ckptd.committed > 50, 'epochs')
        have = len(b.ckptd.epochs)
        start_s, start = sample(b)
        b.serve(2)
        end_s, end = sample(b)
        paused_s = sum(m[7] for m in b.ckptd.epochs[have:]) / 1e9
        guest_s = (end - start) * 2 ** 20 / b.ckptd.hello[4]
        host_s = end_s - start_s
        check(paused_s > 0.05 * host_s, f'only {paused_s} s of pause')
        check(abs(guest_s - host_s) < 0.02 * host_s,
              f'{guest_s} s in the guest, {host_s} s outside, {paused_s} s '
              'of pause')


# --- running them ----------------------------------------------------------

def percentile(values, p):
    return sorted(values)[min(len(values) * p // 100, len(values) - 1)]


def pause_table():
    print('pause of the guest in us, p50/p90/p99 of 1000 epochs, '
          f'{RAM_MIB} MiB guest')
    print(f'{"pages":>6} ' + ' '.join(f'{n:>16}' for n in
          ('wait', 'scan', 'copy', 'devstate', 'total')))
    for pages in (10, 100, 500):
        with Bench(f'pages={pages}') as b:
            b.start()
            b.until(lambda: len(b.ckptd.pages) > 2100, 'epochs')
            rows = [m for m, n in zip(b.ckptd.epochs, b.ckptd.pages)
                    if n >= pages][100:]
            cells = []
            for column in range(3, 8):
                us = [m[column] / 1000 for m in rows]
                cells.append('/'.join(f'{percentile(us, p):.0f}'
                                      for p in (50, 90, 99)))
            print(f'{pages:>6} ' + ' '.join(f'{c:>16}' for c in cells))


def run(namespace):
    """The tests of a module, those named on the command line or all"""
    names = [a for a in sys.argv[1:] if a != '--tap']
    tests = [(n, f) for n, f in namespace.items()
             if n.startswith('test_') and (not names or n in names)]
    failed = 0
    print(f'# seed {SEED}: repeat with ENGINE_SEED={SEED}')
    print(f'1..{len(tests)}', flush=True)
    for i, (name, function) in enumerate(tests, 1):
        try:
            function()
            print(f'ok {i} - {name}', flush=True)
        except Exception:       # any failure is one test's, not the program's
            failed += 1
            print(f'not ok {i} - {name}')
            print(re.sub('^', '# ', traceback.format_exc(), flags=re.M),
                  flush=True)
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ['--pause']:
        pause_table()
        return 0
    return run(globals())


if __name__ == '__main__':
    sys.exit(main())
