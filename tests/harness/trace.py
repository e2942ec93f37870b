# SPDX-License-Identifier: GPL-2.0-or-later
"""ckptd's trace: one line a step of an epoch, `key=value` words."""


def events(path, guest=None):
    """The lines of a trace as dicts; numbers are int.  A torn end is left."""
    found = []
    try:
        with open(path, encoding="utf-8", errors="replace") as trace:
            lines = trace.read().split("\n")[:-1]
    except FileNotFoundError:
        return found
    for line in lines:
        event = {}
        for word in line.split():
            key, equals, value = word.partition("=")
            if equals:
                event[key] = int(value) if value.isdigit() else value
        if event and guest in (None, event.get("guest")):
            found.append(event)
    return found


def durable_times(path, guest=None):
    """{epoch: wall clock in ns at which its checkpoint was first durable}."""
    times = {}
    for event in events(path, guest):
        if event.get("event") == "durable":
            times.setdefault(event["epoch"], event["realtime_ns"])
    return times
