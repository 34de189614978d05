"""Start and stop a local stack: Postgres with the ledger, the gateway, sign-in, one address.

A supervisor, a process of its own, owns the servers. It ends with the process that started it,
unless it was detached, and when it ends, however that is, so do the servers.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Literal

from tillroll.local.state import StackError, StackInfo, holder, read_info

__all__ = ["Stack", "StackError", "StackInfo", "running", "stop"]

GatewayKind = Literal["builtin", "postgrest"]


class Stack:
    """A local stack, for `with`: it is ready inside, and gone after.

    Args:
        data_dir: Holds everything; made where missing, and kept.
        api_port: For HTTP; None: the one of last time where free, else any.
        db_port: For Postgres; the same.
        gateway: `builtin`, or `postgrest`: the executable of TILLROLL_POSTGREST or on PATH.
        durable: False trades crash safety for speed.
    """

    def __init__(
        self,
        data_dir: str | Path,
        *,
        api_port: int | None = None,
        db_port: int | None = None,
        gateway: GatewayKind = "builtin",
        durable: bool = True,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self._job = {
            "data_dir": str(self.data_dir),
            "api_port": api_port,
            "db_port": db_port,
            "gateway": gateway,
            "durable": durable,
            "owner": os.getpid(),
        }
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self, *, detached: bool = False, timeout: float = 120) -> StackInfo:
        """Start everything and return when all is ready.

        Args:
            detached: The stack outlives this process, until `stop(data_dir)`.
            timeout: Seconds.

        Raises:
            StackError: Something did not start; what did has been stopped again.
        """
        if self._supervisor is not None:
            raise StackError("this stack has been started already")
        log_file = self.data_dir / "stack.log"
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            logged = os.fstat(log).st_size
        except OSError as failed:
            raise StackError(f"data directory {self.data_dir}: {failed.strerror}") from failed
        try:
            self._supervisor = supervisor = subprocess.Popen(
                [sys.executable, "-P", "-m", "tillroll.local.supervisor", json.dumps(self._job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        try:
            ready, _, _ = select.select([supervisor.stdout], [], [], timeout)
            if not ready:
                raise StackError(f"the stack was not ready after {timeout:g} s; see {log_file}")
            answer = json.loads(supervisor.stdout.readline() or b"{}")
            if "info" not in answer:
                raise StackError(answer.get("error") or _last_words(log_file, logged))
            if detached:
                supervisor.stdin.write(b"detach\n")
                supervisor.stdin.flush()
                supervisor.stdout.readline()  # it has heard
        except BaseException:
            self.stop()
            raise
        if detached:
            self._close_pipes()
            supervisor.returncode = 0  # not ours any more: nothing to wait for
            self._supervisor = None
        return StackInfo(**answer["info"])

    def wait(self) -> int:
        """Return the supervisor's exit code when it has ended: 0 where it was told to."""
        return 0 if self._supervisor is None else self._supervisor.wait()

    def stop(self, timeout: float = 60) -> None:
        """Stop everything; does nothing where nothing runs."""
        supervisor = self._supervisor
        if supervisor is None:
            return
        self._close_pipes()
        try:
            supervisor.wait(timeout)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        self._supervisor = None

    def _close_pipes(self) -> None:
        assert self._supervisor is not None
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> StackInfo:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _last_words(log_file: Path, since: int) -> str:
    """Say what a supervisor that died without an answer wrote last, after `since` bytes."""
    with contextlib.suppress(OSError), log_file.open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f"the supervisor died, and said last: {said}; see {log_file}"
    return f"the supervisor died; see {log_file}"


def running(data_dir: str | Path) -> StackInfo | None:
    """Return where the directory's stack is reached, None where none is ready."""
    folder = Path(data_dir).absolute()
    held = holder(folder)
    return read_info(folder) if held and held[1] else None


def stop(data_dir: str | Path, timeout: float = 60) -> bool:
    """Stop the directory's stack, whoever started it; return whether there was one.

    Raises:
        StackError: It did not end in `timeout` seconds.
    """
    folder, told = Path(data_dir).absolute(), 0
    deadline = time.monotonic() + timeout
    while held := holder(folder):
        if held[0] not in (0, told):
            told = held[0]
            with contextlib.suppress(ProcessLookupError):
                os.kill(told, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise StackError(f"the stack (process {told}) did not end in {timeout:g} s")
        time.sleep(0.05)
    return told != 0
