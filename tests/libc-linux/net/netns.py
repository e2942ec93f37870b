# SPDX-License-Identifier: GPL-2.0-or-later
"""A network namespace with the library in it, and Linux as its peer

What a test needs of it: the TAP device and the addresses at both of its ends,
a program under sluice-linux on the far side, and the frame of a test program
that prints TAP. Needs root. SLUICE_BUILD names the build directory (build).
"""

import ctypes
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import time

BUILD = os.environ.get('SLUICE_BUILD', 'build')
RUNNER = f'{BUILD}/guest-libc/sluice-linux'
PROGRAMS = f'{BUILD}/guest-programs'
TAP = 'tap0'
NEAR, FAR, FAR_PREFIX = '10.77.0.1', '10.77.0.2', '10.77.0.2/24'
CLONE_NEWNET = 0x40000000
DEADLINE_S = 60


def ip(*commands):
    for command in commands:
        subprocess.run(['ip', *command.split()], check=True)


def write_sysctl(path, value):
    with open(f'/proc/sys/net/{path}', 'w', encoding='ascii') as switch:
        switch.write(value)


def enter():
    """A network namespace of this process's own"""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'unshare')
    # Linux would speak up by itself now and then.
    write_sysctl('ipv6/conf/default/disable_ipv6', '1')
    ip('link set lo up')


def make_tap():
    """The TAP device, with Linux' address at its near end"""
    ip(f'tuntap add {TAP} mode tap', f'addr add {NEAR}/24 dev {TAP}',
       f'link set {TAP} up')


class Server:
    """A program under the library, or under Linux, until the block ends"""

    def __init__(self, port, *argv, native=False):
        self.port = port
        self.host = NEAR if native else FAR
        self.argv = argv if native else (RUNNER, '--tap', TAP, '--ip',
                                         FAR_PREFIX, *argv)

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                self.connect().close()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll():
                    self.__exit__()
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.kill()
        said = self.process.communicate()[0].decode(errors='replace')
        for line in said.splitlines():
            if line.startswith('libos:'):
                print(f'# {line}')

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=30)

    def switches(self):
        """How often its threads have been scheduled so far"""
        total = 0
        for path in glob.glob(f'/proc/{self.process.pid}/task/*/status'):
            with open(path, encoding='ascii') as status:
                total += sum(int(n) for n in re.findall(
                    r'ctxt_switches:\s*(\d+)', status.read()))
        return total


def main(tests, prepare):
    """Run (name, function) of @tests in a namespace that @prepare fills"""
    if os.geteuid():
        print('1..0 # SKIP needs root for a TAP device')
        return 0
    if not os.path.exists('/dev/net/tun'):
        print('1..0 # SKIP there is no /dev/net/tun')
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    enter()
    prepare()
    failed = 0
    print(f'1..{len(tests)}', flush=True)
    for number, (name, test) in enumerate(tests, 1):
        wrong = None
        try:
            test()
        # pylint: disable=broad-except
        except Exception as error:
            wrong = error
            failed += 1
            print(f'# {type(error).__name__}: {error}')
        print(f'{"not " if wrong else ""}ok {number} - {name}', flush=True)
    return 1 if failed else 0
