"""Pairs of calls in every order, triples in drawn ones, on functions that stop where we say.

How schedules run and what they are held against is told in schedules.py. The proof proves itself:
it has to find out each lock that is taken from the functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.conftest import BINARIES, Cluster, cluster_of
from tests.reliability.breakpoints import Edit, install
from tests.reliability.pairs import PAIRS, READERS, TEETH, TRIPLES
from tests.reliability.proof import Run
from tests.reliability.schedules import Driver, Exploration, Scenario

NEWEST = "18"
PREEMPTIONS = {"short": 1, "long": 2}
"""On the newest Postgres; on the others the long form has one less, the short one leaves them."""
DRAWN = {"short": 8, "long": 500}
"""Schedules of each triple."""
BROKEN = {"short": 3, "long": len(TEETH)}
"""How many locks are taken out, drawn by the seed."""


@contextmanager
def driver_on(cluster: Cluster, edits: Sequence[Edit] = ()) -> Iterator[tuple[Driver, int]]:
    """A database whose functions stop, and how many breakpoints they have."""
    database = cluster.database("ledger")
    count = install(database, edits)
    try:
        with ExitStack() as stack:
            yield Driver(database, stack, 3), count
    finally:
        cluster.drop(database)


def others() -> list[str]:
    """The older versions of Postgres that are here."""
    return [v for v, path in BINARIES.items() if path is not None and (path / "postgres").exists()]


def _explored(
    run: Run, scenarios: Sequence[Scenario], version: str, preemptions: int
) -> Iterator[Exploration]:
    with driver_on(cluster_of(version)) as (driver, breakpoints):
        run.figure("breakpoints", breakpoints)
        for scenario in scenarios:
            exploration = Exploration(driver, scenario)
            if len(scenario.calls) == 2:
                exploration.explore(preemptions)
            else:
                exploration.drawn(run.dice, DRAWN[run.size], turns=5)
            run.happened(f"Postgres {version}: {scenario.name}: {exploration.schedules} schedules")
            yield exploration


def _missed(run: Run) -> Iterator[str]:
    """The locks whose absence was not found out."""
    for name, edits in run.dice.sample(TEETH, BROKEN[run.size]):
        what = f"{name}: without {edits[0].old!r} in {edits[0].function}"
        run.planned(what)
        scenario = next(each for each in PAIRS if each.name == name)
        with driver_on(cluster_of(NEWEST), edits) as (driver, _):
            exploration = Exploration(driver, scenario)
            exploration.explore(1)
        run.happened(f"{what}: {len(exploration.faults)} of {exploration.schedules} are found out")
        if not exploration.faults:
            yield what


def run(run: Run) -> None:
    """Every pair, every triple, and what is broken on purpose."""
    most = PREEMPTIONS[run.size]
    pairs = list(_explored(run, PAIRS, NEWEST, most))
    readers = list(_explored(run, READERS, NEWEST, most))
    triples = list(_explored(run, TRIPLES, NEWEST, 0))
    if run.is_long:
        for version in others():
            pairs += _explored(run, (*PAIRS, *READERS), version, most - 1)

    for calls, explored in (("two", [*pairs, *readers]), ("three", triples)):
        run.figure(f"schedules of {calls} calls", sum(each.schedules for each in explored))
        run.figure(f"{calls} calls: schedules with a wait", sum(each.waits for each in explored))
        run.none(
            f"schedules of {calls} calls that end as no serial order does",
            [fault for each in explored for fault in each.faults],
        )
    run.figure("preemptions at most", most)
    run.none(
        "pairs of writers that never meet",
        [e.scenario.name for e in pairs if not (e.waits or e.aborts or e.scenario in READERS)],
    )
    run.none("locks that are not missed when they are taken out", list(_missed(run)))
