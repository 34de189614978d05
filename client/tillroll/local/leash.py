"""Run a program for as long as whoever started this is there: `leash.py OWNER_PID PROGRAM …`.

The owner holds the other end of stdin. Standard library only, started as a file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys


def main(owner: int, command: list[str]) -> int:
    """Run `command` until it ends, or until the owner has gone; return the exit code."""
    told: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_leash if sys.platform == "linux" else None,
    )
    while program.poll() is None and not told and os.getppid() == owner:
        ended, _, _ = select.select([0], [], [], 0.3)
        if ended:
            break
    program.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return program.wait(5)
    program.kill()
    return program.wait()


def _die_with_leash() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
