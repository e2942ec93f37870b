# SPDX-License-Identifier: GPL-2.0-or-later
"""How quickly thousands of clients that come at once are served."""

from harness.crowd import Crowd, room_for
from harness.daemon import PROGRAMS, free_port
from harness.hosts import Host, Network

CLIENTS = 3000
PORT = 7000
TIMEOUT_S = 120
ADDRESS = "10.77.0.9"


def _serve(daemon, *options, ports=()):
    guest = daemon.run(PROGRAMS / "echo-epoll-musl", str(PORT), name="crowd",
                       ports=ports, options=["--memory", 128, *options])
    guest.wait_log("listening", 120)
    return guest


def _rounds(make, count, name, row):
    """Seconds until all of them had their answers, @count times."""
    last, failed = [], 0
    for _ in range(count):
        crowd = make()
        crowd.connect()
        errors, times = crowd.call(TIMEOUT_S)
        crowd.close()
        failed += len(errors)
        last.append(times[-1] if times else TIMEOUT_S)
    row(f"{CLIENTS} clients at once, {name}", last, 1e3, "ms")
    print(f"  {'clients served per second':32} "
          f"{CLIENTS / sorted(last)[len(last) // 2]:.0f}")
    print(f"  {'not served':32} {failed}", flush=True)


def _on_tap(count, row):
    network = Network()
    try:
        clients = Host(network, "clients", "10.77.0.1/24")
        daemon = Host(network, "sluice", "10.77.0.2/24",
                      bridge="br0").daemon()
        try:
            daemon.start()
            _serve(daemon, "--net", "tap,bridge=br0", "--ip", f"{ADDRESS}/24")
            _rounds(lambda: clients.call(
                lambda: Crowd((ADDRESS, PORT), CLIENTS)), count, "TAP", row)
        finally:
            daemon.close()
    finally:
        network.close()


def run(daemon, count, row):
    """Print the rates: user-mode networking, and a TAP (needs root)."""
    if not room_for(CLIENTS):
        print(f"no {CLIENTS} descriptors (ulimit -Hn): no crowd")
        return
    port = free_port()
    guest = _serve(daemon, ports=[(port, PORT)])
    _rounds(lambda: Crowd(("127.0.0.1", port), CLIENTS), count, "user", row)
    daemon.ctl("rm", "--force", guest.name)
    _on_tap(count, row)
