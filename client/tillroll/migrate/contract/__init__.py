"""What clients of PostgREST rely on, kept in a lock file and compared with the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate.access import as_roles, migrated
from tillroll.migrate.contract.compare import ContractChange, Severity, compare_contracts
from tillroll.migrate.contract.reading import read_contract
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.lockfile import read_lock, write_lock

__all__ = ["ContractChange", "ContractResult", "Severity", "contract"]

_KIND = "contract 1"
_ROLES = ("anon", "authenticated", "service_role")
_GRAVE = ("BREAKING", "SECURITY")


@dataclass(frozen=True)
class ContractResult:
    """A contract against its lock.

    Attributes:
        lock: The lock file.
        functions: How many names of functions there are.
        relations: How many tables and views.
        missing: Exposed schemas that the migrations do not make.
        changes: The worst first.
        accepted: Whether nothing is breaking or widens rights, or that was acknowledged.
        written: Whether the lock was written.
        agrees: Whether the lock says what the database says, now.
    """

    lock: str
    functions: int
    relations: int
    missing: tuple[str, ...]
    changes: tuple[ContractChange, ...]
    accepted: bool
    written: bool
    agrees: bool


def contract(
    folder: Path,
    lock: Path,
    schemas: Sequence[str],
    *,
    platform: Path | None = None,
    db_url: str | None = None,
    write: bool = False,
    accept: Collection[Severity] = (),
) -> ContractResult:
    """Build the database from its migrations, and compare what it offers with the lock.

    Args:
        folder: The migrations.
        lock: The lock file.
        schemas: Those that PostgREST exposes.
        platform: What is there before any migration.
        db_url: A superuser's URL of a server to build on; else one is started.
        write: Write the lock, unless something grave is not accepted.
        accept: `BREAKING`, `SECURITY` or both: what is acknowledged.

    Raises:
        UsageError: The folder, a file, or the lock is not usable.
        GateFailed: A migration does not apply.
        ConnectionFailed: There is no server.
    """
    document = read_lock(lock, _KIND)
    before = None if document is None else Contract.read(document)
    with migrated(folder, platform, db_url) as (conn, _), as_roles(conn, _ROLES) as roles:
        after = read_contract(conn, roles, schemas)
    changes = () if before is None else compare_contracts(before, after)
    accepted = all(each.severity not in _GRAVE or each.severity in accept for each in changes)
    written = write and accepted and before != after
    if written:
        write_lock(lock, _KIND, vars(after))
    return ContractResult(
        str(lock),
        len(after.functions),
        len(after.relations),
        tuple(name for name in schemas if name not in after.schemas),
        changes,
        accepted,
        written,
        agrees=written or before == after,
    )
