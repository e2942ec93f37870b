# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill a process exactly inside one of its functions, by gdb.

A kill at a random moment seldom falls between two neighbouring steps; a
breakpoint always does, and needs no hook in the product.
"""

import subprocess
import threading


class NotReached(AssertionError):
    """The function was not called in time."""


def kill_inside(pid, function, skip=0, timeout_s=60, while_stopped=None):
    """SIGKILL @pid at its (@skip + 1)th entry into @function.

    @while_stopped is called, if given, between the stop and the kill; then
    the process is killed by gdb's end.
    """
    commands = ["set pagination off", "set confirm off",
                "handle SIGUSR1 SIGUSR2 SIGPIPE nostop noprint pass",
                f"break {function}"]
    if skip:
        commands.append(f"ignore 1 {skip}")
    commands += ["continue", "echo stopped-inside\\n"]
    if while_stopped is None:
        commands.append("kill")
    arguments = ["gdb", "-q", "-nx", "-p", str(pid)]
    for command in commands:
        arguments += ["-ex", command]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as gdb:
        try:
            output = _until_stopped(gdb, timeout_s)
            if f"{function} (" not in output and "Breakpoint 1," not in output:
                raise NotReached(f"{function}: {output[-500:]}")
            if while_stopped is not None:
                while_stopped()
                gdb.stdin.write("kill\n")
            gdb.stdin.write("quit\n")
            gdb.stdin.flush()
            gdb.wait(timeout_s)
        finally:
            gdb.kill()


def _until_stopped(gdb, timeout_s):
    """gdb's output up to the line printed once the process has stopped."""
    lines = []

    def read():
        for line in gdb.stdout:
            lines.append(line)
            if "stopped-inside" in line and "echo" not in line:
                return
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout_s)
    output = "".join(lines)
    if reader.is_alive():
        gdb.send_signal(2)      # SIGINT: gdb stops the process and goes on
        raise NotReached(f"not within {timeout_s} s: {output[-500:]}")
    return output
