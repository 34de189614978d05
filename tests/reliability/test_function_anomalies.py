"""Our functions are free of what their levels allow, on each Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import Cluster, Database
from tests.reliability.breakpoints import install
from tests.reliability.function_anomalies import PROOFS, READS, outcome, table, vanishes
from tests.reliability.hermitage import Players
from tests.reliability.interleavings import driver_on
from tests.reliability.pairs import READERS
from tests.reliability.schedules import Driver, Exploration


@pytest.fixture
def players(db: Database) -> Iterator[Players]:
    with ExitStack() as stack:
        yield Players(db, stack)


def test_whoever_comes_second_waits_and_sees_what_the_first_has_left(players: Players) -> None:
    found = [(proof.function, proof.anomaly, *outcome(players, proof)) for proof in PROOFS]
    assert found == [(p.function, p.anomaly, p.told, p.wanted) for p in PROOFS]


def test_each_function_is_called_at_the_level_that_it_declares(players: Players) -> None:
    declared: dict[str, str] = dict(
        players.observer.execute(
            "select p.proname, split_part(c, '=', 2) from pg_proc as p, unnest(p.proconfig) as c"
            " where p.pronamespace = 'ledger'::regnamespace"
            " and c like 'default_transaction_isolation=%'"
        ).fetchall()
    )
    assert [proof.level for proof in PROOFS] == [declared[proof.function] for proof in PROOFS]
    assert not declared.keys() & READS.keys()


def test_no_transaction_that_a_reader_has_seen_vanishes_again(players: Players) -> None:
    # Of a, b and c; a reader of one account shows the first.
    times = {"before": [100, 100, 100], "between": [90, 100, 110], "after": [70, 100, 130]}
    for name, read in READS.items():
        seen = vanishes(players, read)
        shown = len(seen["before"])
        assert {at: seen[at] for at in times} == {at: row[:shown] for at, row in times.items()}, (
            name
        )


def test_a_reader_that_is_stopped_anywhere_sees_one_state_of_the_book(cluster: Cluster) -> None:
    assert {pair.calls[0].text.split("(")[0] for pair in READERS} == READS.keys()
    with driver_on(cluster) as (driver, _):
        for pair in READERS:
            exploration = Exploration(driver, pair)
            exploration.explore(1)
            assert exploration.faults == []


def test_a_reader_with_a_snapshot_for_each_statement_would_be_found_out(newest: Cluster) -> None:
    database = newest.database("ledger")
    install(database)
    with database.connect() as owner:
        owner.execute(
            "alter function ledger.statement volatile;"
            "alter function ledger_private.statement_of volatile"
        )
    with ExitStack() as stack:
        pair = next(pair for pair in READERS if pair.name.startswith("statement"))
        exploration = Exploration(Driver(database, stack, 2), pair)
        exploration.explore(1)
    newest.drop(database)
    assert exploration.faults


def test_the_table_has_a_row_for_each_function() -> None:
    assert len(table().splitlines()) == 2 + len({p.function for p in PROOFS} | READS.keys())
