"""Processes of a server that we have started: to find, to stop for a while, to kill."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.waiting import gone, until
from tillroll.server import Server


def postmaster(server: Server) -> psutil.Process:
    """The process that is the parent of all others of a server."""
    assert server.pid is not None
    return psutil.Process(server.pid)


def backend(server: Server, pid: int) -> psutil.Process:
    """The process of a session; raises where it is not this server's, or has gone."""
    found = psutil.Process(pid)
    if found.ppid() != server.pid:
        raise psutil.NoSuchProcess(pid)
    return found


def kill_all(server: Server) -> None:
    """Kill −9 the postmaster and all its children, as if the machine's power went."""
    parent = postmaster(server)
    parent.send_signal(signal.SIGSTOP)  # so that it has no child that we do not see
    family = [parent, *parent.children(recursive=True)]
    for each in family:
        each.kill()
    until(lambda: gone(family))


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """A process that stands still inside."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running():
            process.send_signal(signal.SIGCONT)
