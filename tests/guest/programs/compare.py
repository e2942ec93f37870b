# SPDX-License-Identifier: GPL-2.0-or-later
"""compare - the same program here and elsewhere must say the same

Each program of this directory prints TAP that does not differ from run to
run. Linux is the reference: the tests pass there, and the library has to give
the very same output and exit status.
"""

import os
import subprocess

BUILD = os.environ.get('SLUICE_BUILD', 'build')
PROGRAMS = ('hello', 'memory', 'clocks', 'efault', 'futex', 'threads',
            'signals', 'vdso', 'events', 'sockets', 'udp',
            'shutdowns')
PROGRAMS += ('futex-ops', 'locks', 'clock-ids', 'timerfds')
PROGRAMS += ('faults', 'sigqueue', 'sigroute', 'altstack', 'interrupt')
PROGRAMS += ('binds', 'backlog')
PROGRAMS += ('inotify', 'corks', 'lingers', 'proc-net')
PROGRAMS += ('proc', 'paths', 'devices', 'file-locks', 'sendfile')
PROGRAMS += ('recvflags', 'sockopts', 'netlink')
PROGRAMS += ('identity', 'limits')
PROGRAMS += ('polls', 'epolls', 'timers', 'pipes', 'splices')
PROGRAMS += ('mappings', 'cpu-clocks')
LIBCS = ('musl', 'glibc')
DEADLINE_S = 120


def path_of(program, libc):
    return f'{BUILD}/guest-programs/{program}-{libc}'


def run(argv):
    """Exit status and output; a program that hangs has status None"""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=DEADLINE_S,
                              check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b'').decode(errors='replace')
    return done.returncode, done.stdout.decode(errors='replace')


def differences(expected, got):
    """The lines that tell, as diagnostics"""
    expected, got = expected.splitlines(), got.splitlines()
    for line in expected:
        if line not in got:
            print(f'# missing: {line}')
    for line in got:
        if line not in expected:
            print(f'# instead: {line}')


def main(where, run_there):
    """Print TAP: one test for each program and C library"""
    tests = [(p, c) for c in LIBCS for p in PROGRAMS]
    failed = 0
    print(f'1..{len(tests)}', flush=True)
    for number, (program, libc) in enumerate(tests, 1):
        path = path_of(program, libc)
        expected = run([path])
        got = run_there(path)
        good = expected[0] == 0 and got == expected
        if expected[0] != 0:
            print(f'# fails on Linux itself, status {expected[0]}')
        if not good:
            print(f'# status {got[0]}')
            differences(expected[1], got[1])
            failed += 1
        print(f'{"" if good else "not "}ok {number} - {program}, {libc}: '
              f'{where} as under Linux', flush=True)
    return 1 if failed else 0
