"""The bar: what is asked for, what the best known elsewhere do, and which parts show ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.reliability.proof import Check, Figure
from tests.reliability.record import CHECKS, ENDS, Record


@dataclass(frozen=True)
class Bar:
    """One line of the bar.

    Attributes:
        elsewhere: The best known of others.
        parts: What shows it.
        about: Words of their checks that this is about; none: all of their checks.
        shown_by: What shows it, where that is not a part of this run.
    """

    what: str
    elsewhere: str
    ours: str
    parts: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    shown_by: str = ""

    def checks(self, record: Record) -> list[Check]:
        """Those of a part's checks that this is about."""
        about = (*self.about, ENDS, CHECKS)
        return [
            check
            for check in record.checks
            if not self.about or any(words in check.name for words in about)
        ]


UNDER_FAULTS = ("wire", "unknown", "storm", "crash", "nemesis", "pooler", "disk", "deploy")
BARS = (
    Bar(
        "bank test: random transfers, readers of the total",
        "Jepsen: 8 accounts, 50 clients, 10⁴ to 10⁵ operations",
        "≥ 1,000,000 transfers; 2, 8 and 1,000 accounts; no wrong total, none negative, none lost",
        ("bank",),
    ),
    Bar(
        "histories without anomalies",
        "Elle",
        "no cycle of any kind after Adya",
        ("appends",),
    ),
    Bar(
        "concurrent spends of what is there once",
        "–",
        "exactly one of them, in every way to spend",
        ("spends",),
    ),
    Bar(
        "kinds of faults",
        "Jepsen: kill, pause, partition, clock",
        "≥ 12, each seeded and printed",
        ("wire", "crash", "nemesis", "pooler", "disk", "deploy"),
    ),
    Bar(
        "acknowledged but lost, doubled, half applied",
        "0",
        "0",
        ("bank", *UNDER_FAULTS),
        about=(
            *("lost", "doubled", "another transaction", "contradict", "once"),
            *("wrong balances", "wrong after"),
        ),
    ),
    Bar(
        "answers cut after the commit",
        "FoundationDB: commit_unknown_result",
        "≥ 10,000: each happened once, the replay is identical",
        ("unknown",),
    ),
    Bar(
        "duplicate storm",
        "–",
        "10,000 keys × 32 senders: rows = keys, no error",
        ("storm",),
        about=("keys", "errors"),
    ),
    Bar(
        "executions of one request",
        "68,825 seen in the field",
        "1, also on a gateway that repeats 40001 for ever",
        ("storm",),
        about=("executions", "naive"),
    ),
    Bar(
        "interleavings of two and three calls",
        "PostgreSQL's isolationtester",
        "every order of two with ≤ 2 changes of turn, drawn orders of three: a serial result",
        ("interleavings",),
    ),
    Bar(
        "deadlocks in opposing transfers",
        "36.8 % unordered",
        "0",
        ("bank", "appends", "spends"),
        about=("deadlocks",),
    ),
    Bar(
        "tampering",
        "SQL Server ledger, immudb",
        "each of ≥ 10,000 alterations found, no false alarm",
        ("tamper",),
    ),
    Bar(
        "bad input",
        "schemathesis practice",
        "≥ 100,000 payloads: no 5xx, no change of state, no leak",
        ("inputs",),
    ),
    Bar("crash recovery", "–", "≥ 200 kill −9 under load, the book sound each time", ("crash",)),
    Bar(
        "the client in an outage",
        "none published",
        "≤ 1.1 requests a call with 90 % errors",
        ("outage",),
    ),
    Bar(
        "anomalies: Hermitage's 30 cells, the two holes of SSI",
        "a table for Postgres 9.3; open",
        "all cells asserted on each Postgres; ours free of what the level allows",
        shown_by="make test",
    ),
    Bar(
        "tenants",
        "–",
        "role × object × verb × 3 tenants, with rows present",
        shown_by="make test",
    ),
    Bar(
        "mutants of the SQL",
        "none found anywhere",
        "each guard taken out: a test fails",
        shown_by="make mutants",
    ),
)

UNSHOWN = (
    (
        "Lost fsync",
        "A disk that says it has written and has not. The faults here end processes, and the "
        "kernel's cache outlives those.",
    ),
    (
        "Failover",
        "One server, no standby. A commit that was acknowledged and not yet replicated is lost "
        "with the primary unless replication is synchronous.",
    ),
    (
        "Real hardware",
        "Power cuts, torn pages, bit rot on disk, memory that lies; and timing under load on "
        "machines larger than this one.",
    ),
    (
        "A hosted project",
        "Nothing was run against Supabase's cloud: its pooler, its limits and its network differ.",
    ),
    (
        "The real PostgREST",
        "The gateway of the local stack issues the statements that PostgREST issues, in their "
        "order. It is another program.",
    ),
)
"""What a run on one machine cannot show, and why."""


def measured(bar: Bar, records: Mapping[str, Record]) -> tuple[str, bool | None]:
    """Say what was measured for a bar, and whether it holds; None: nothing of it has run."""
    if not bar.parts:
        return f"by {bar.shown_by}", None
    checks = [c for name in bar.parts if name in records for c in bar.checks(records[name])]
    if not checks:
        return "not run", None
    failed = [check for check in checks if not check.ok]
    told = [f"{check.name}: {check.measured}" for check in checks if check.bar[:1] in "≥≤a"]
    held = f"{len(checks) - len(failed):,} of {len(checks):,}" if failed else f"{len(checks):,}"
    told.append(f"{held} {'check holds' if held == '1' else 'checks hold'}")
    missing = [name for name in bar.parts if name not in records]
    if missing:
        told.append("not run: " + ", ".join(missing))
    return "; ".join(told), not failed


def shown(value: Figure) -> str:
    """A figure for people."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value
