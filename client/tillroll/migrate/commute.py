"""Files that are older than what is applied: whether they may still be applied, proven."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate import history
from tillroll.migrate.compare import Difference, compare
from tillroll.migrate.facts import extract
from tillroll.migrate.files import MigrationFile, read_folder
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import shadow
from tillroll.migrate.status import State, Status, refuse_divergent

__all__ = ["OrderProof", "prove_order"]


@dataclass(frozen=True)
class OrderProof:
    """What two orders make of one database.

    Attributes:
        versions: The late files that may be applied now, in order.
        reasons: Why they may not: files whose effect on rows depends on the order.
        differences: Facts that are not the same in both orders; `sources` is the order of the
            versions, `migrations` the order in which they would be applied here.
    """

    versions: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the order does not matter."""
        return not self.reasons and not self.differences


def prove_order(
    folder: Path, status: Status, platform: Path | None, shadow_url: str | None = None
) -> OrderProof:
    """Apply the files in both orders to databases that are thrown away, and compare.

    A new database will run them in the order of their versions, this one in another: both must
    end in the same catalog. Rows cannot be compared that way, so a late file, and every file that
    it comes after here and before there, must not touch any.

    Args:
        folder: The migrations.
        status: Of the database.
        platform: See `shadow`.
        shadow_url: See `shadow`.

    Raises:
        HistoryDivergent: There are versions without a file, or edited files.
        GateFailed: One of the orders does not apply at all.
        ConnectionFailed: There is no server to try it on.
    """
    refuse_divergent(status, "What the order does cannot be proven.")
    files = {file.version: file for file in read_folder(folder).files}
    late = [files[file.version] for file in status.in_state("out_of_order")]
    if not late:
        return OrderProof(())
    waits: tuple[State, ...] = ("running", "part_way", "pending", "out_of_order")
    waiting = {file.version for file in status.in_state(*waits)}
    applied = [file for version, file in sorted(files.items()) if version not in waiting]
    versions = tuple(file.version for file in late)
    crossed = [file for file in applied if file.version > late[0].version]
    reasons = tuple(
        reason for file in sorted((*late, *crossed), key=_version) for reason in _moves(file)
    )
    if reasons:
        return OrderProof(versions, reasons)
    with shadow(platform, shadow_url) as server:
        made = []
        for order in (sorted((*applied, *late), key=_version), (*applied, *late)):
            with server.database() as dsn:
                replay(dsn, order)
                with history.connect(dsn) as conn:
                    made.append(extract(conn))
    return OrderProof(versions, (), compare(*made))


def _version(file: MigrationFile) -> str:
    return file.version


def _moves(file: MigrationFile) -> list[str]:
    return [
        f"{file.path.name}:{statement.line}: {statement.moves_data}"
        for statement in file.read().statements
        if statement.moves_data
    ]
