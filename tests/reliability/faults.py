"""The kinds of faults. Each is done to a scene; one that may miss is repeated until it has hit."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import ROOT
from tests.reliability.processes import kill_all, postmaster, stopped
from tests.reliability.scene import LOGIN, Scene
from tests.waiting import gone, until

Fault = Callable[[Scene, float], None]
HOUR = 3600
STORM = 30


def kill_backend(scene: Scene, _: float) -> None:
    victim = scene.backend()
    victim.kill()
    until(lambda: gone([victim]))
    scene.place.wait_until_up()


def terminate_session(scene: Scene, _: float) -> None:
    scene.logged("57P01", lambda: _tell(scene, "pg_terminate_backend", "limit 1"))


def terminate_sessions(scene: Scene, _: float) -> None:
    scene.logged("57P01", lambda: _tell(scene, "pg_terminate_backend"))


def cancel_queries(scene: Scene, _: float) -> None:
    scene.logged("57014", lambda: _tell(scene, "pg_cancel_backend"))


def stop_backend(scene: Scene, seconds: float) -> None:
    with stopped(scene.backend()):
        time.sleep(seconds)


def stop_gateway(scene: Scene, seconds: float) -> None:
    with stopped(scene.front().process):
        time.sleep(seconds)


def stop_postmaster(scene: Scene, seconds: float) -> None:
    with scene.admin() as admin, stopped(postmaster(scene.place.server)):
        # Whoever has lost her session waits for the next one.
        admin.execute(_every("pg_terminate_backend"))
        time.sleep(seconds)


def kill_gateway(scene: Scene, seconds: float) -> None:
    front = scene.front()
    front.kill()
    time.sleep(seconds)
    front.start()


def restart_fast(scene: Scene, seconds: float) -> None:
    scene.place.server.stop()
    time.sleep(seconds)
    scene.place.restart()


def restart_immediate(scene: Scene, seconds: float) -> None:
    parent = postmaster(scene.place.server)
    parent.send_signal(signal.SIGQUIT)
    until(lambda: gone([parent]))
    time.sleep(seconds)
    scene.place.restart()


def kill_server(scene: Scene, seconds: float) -> None:
    kill_all(scene.place.server)
    time.sleep(seconds)
    scene.place.restart()


def time_out_statements(scene: Scene, _: float) -> None:
    with _role(
        scene, "authenticated", "set statement_timeout = '100ms'", "set statement_timeout = '8s'"
    ):
        with _rows_held(scene):
            scene.logged("57014")


def time_out_locks(scene: Scene, _: float) -> None:
    with _rows_held(scene):
        scene.told("busy")


def refuse_sessions(scene: Scene, _: float) -> None:
    with _role(scene, LOGIN, "connection limit 0", "connection limit -1"):
        scene.logged("53300", lambda: _tell(scene, "pg_terminate_backend"))


def expire_tokens(scene: Scene, _: float) -> None:
    _clocks(scene, {"exp": int(time.time()) - HOUR})


def predate_tokens(scene: Scene, _: float) -> None:
    _clocks(scene, {"nbf": int(time.time()) + HOUR})


def reload_schema(scene: Scene, _: float) -> None:
    with scene.admin() as admin:
        for _ in range(STORM):
            admin.execute("notify pgrst, 'reload schema'")


def build_index(scene: Scene, _: float) -> None:
    with scene.admin() as admin:
        admin.execute(
            "create index concurrently nemesis on ledger_private.transactions (posted_at)"
        )
        admin.execute("drop index concurrently ledger_private.nemesis")


def add_column(scene: Scene, _: float) -> None:
    for change in ("add nemesis text", "drop nemesis"):
        for table in ("balances", "transactions", "entries"):
            _migrate(scene, f"alter table ledger_private.{table} {change}")


def replace_function(scene: Scene, _: float) -> None:
    _migrate(scene, (ROOT / "functions/ledger/transfer.sql").read_text())


KINDS: dict[str, Fault] = {
    "kill −9 of a backend": kill_backend,
    "a session terminated": terminate_session,
    "all sessions terminated": terminate_sessions,
    "queries cancelled": cancel_queries,
    "SIGSTOP of a backend": stop_backend,
    "SIGSTOP of a gateway": stop_gateway,
    "SIGSTOP of the postmaster": stop_postmaster,
    "kill −9 of a gateway": kill_gateway,
    "fast restart of the server": restart_fast,
    "immediate restart of the server": restart_immediate,
    "kill −9 of the server": kill_server,
    "statement timeout": time_out_statements,
    "lock timeout": time_out_locks,
    "connection limit": refuse_sessions,
    "clock jump: tokens expired": expire_tokens,
    "clock jump: tokens not yet valid": predate_tokens,
    "storm of schema reloads": reload_schema,
    "index built under load": build_index,
    "columns added and dropped under load": add_column,
    "function replaced under load": replace_function,
}


def _every(tell: str, limit: str = "") -> str:
    return (
        f"select {tell}(pid) from (select pid from pg_stat_activity where usename = '{LOGIN}'"
        f" order by state = 'idle' {limit}) as sessions"
    )


def _tell(scene: Scene, tell: str, limit: str = "") -> None:
    with scene.admin() as admin:
        admin.execute(_every(tell, limit))


def _clocks(scene: Scene, claims: dict[str, object]) -> None:
    scene.claims = claims
    try:
        scene.told("PGRST303")
    finally:
        scene.claims = {}


@contextmanager
def _rows_held(scene: Scene) -> Iterator[None]:
    """Hold every balance of the book, as somebody who forgot to commit would."""
    with scene.admin() as admin, admin.transaction():
        admin.execute(
            "select from ledger_private.balances where book_id = %s for no key update",
            [scene.workload.bank.book_id],
        )
        yield


@contextmanager
def _role(scene: Scene, role: str, change: str, back: str) -> Iterator[None]:
    """Alter a role for a while; the gateways read settings of roles when they are notified."""
    alter = f"alter role {role} {{}}; notify pgrst, 'reload config'"
    with scene.admin() as admin:
        admin.execute(alter.format(change))
    try:
        yield
    finally:
        with scene.admin() as admin:
            admin.execute(alter.format(back))


def _migrate(scene: Scene, statements: str) -> None:
    """Run what has to have a table for itself, as a migration would: giving way, then again."""

    def done() -> bool:
        with scene.place.database.connect() as owner:
            try:
                owner.execute("set lock_timeout = '1s'")
                owner.execute(f"{statements};\nnotify pgrst, 'reload schema'")
            except psycopg.errors.LockNotAvailable:
                return False
            return True

    until(done)
