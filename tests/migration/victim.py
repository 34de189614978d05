"""A process that starts runners to be killed: each line `DSN FOLDER` forks one; it tells its pid.

Importing takes longer than a run, so it is done once here.
"""

from __future__ import annotations

import os
import signal
import sys

from tillroll.migrate import Runner


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    for line in sys.stdin:
        dsn, folder = line.split()
        child = os.fork()
        if child == 0:
            Runner(dsn, folder).up()
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
