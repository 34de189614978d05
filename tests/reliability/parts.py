"""The parts of the proof, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from tests.reliability.proof import Part, Run


@dataclass(frozen=True)
class Listed:
    """A part by its name, which is its module's, and one line of what it shows."""

    name: str
    title: str
    run: Part


def _of_module(name: str) -> Callable[[Run], None]:
    """A part whose module is imported once it runs: one that cannot be is that part's failure."""

    def run(run: Run) -> None:
        part: Part = import_module(f"tests.reliability.{name}").run
        part(run)

    return run


PARTS = tuple(
    Listed(name, title, _of_module(name))
    for name, title in (
        ("bank", "random transfers in SQL and over HTTP, and readers of the total"),
        ("appends", "histories of appends, searched for cycles after Adya"),
        ("spends", "many at once spend what is there once: exactly one gets it"),
        ("interleavings", "two calls, statement by statement: every order ends as a serial one"),
        ("wire", "both wires break, before the gateway and behind it"),
        ("unknown", "answers cut after the commit: each happened once, its replay is identical"),
        ("storm", "32 senders of each order at once: each request is executed once"),
        ("crash", "kill −9 of the server under load, again and again"),
        ("nemesis", "faults of every kind to a ledger in use"),
        ("pooler", "pgbouncer in transaction mode, and faults of its own"),
        ("disk", "a full disk under load"),
        ("deploy", "the migration of a release under load"),
        ("tamper", "everything that a book stores, altered: each alteration is found"),
        ("inputs", "payloads by chance at every function: no 5xx, no change, no leak"),
        ("outage", "29 minutes with 90 % errors, in virtual time: what retries add"),
    )
)
