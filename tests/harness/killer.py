# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU killed again and again while something else is tried."""

import threading

FRUITLESS_MOST = 2


class Killer:
    """Within the block, the guest's QEMU is killed again and again, @least_s to
    @most_s after it has recovered; @kills is how often.  It ends with the
    guest's program, and lets the guest get somewhere in between: five
    recoveries without a new epoch are the end of a guest."""

    def __init__(self, guest, random, least_s=0.5, most_s=2.0):
        self.guest, self.random = guest, random
        self.least_s, self.most_s = least_s, most_s
        self.kills = 0
        self.problem = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self.over.wait(self.random.uniform(self.least_s,
                                                         self.most_s)):
                status = self.guest.status()
                if status["state"] not in ("running", "recovering"):
                    return
                if status["fruitless_recoveries"] >= FRUITLESS_MOST:
                    continue
                self.guest.kill_qemu()
                self.kills += 1
                self.guest.wait_recovered(self.kills)
        except Exception as problem:    # for the thread that is tested
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if self.problem and not kind:
            raise self.problem
