"""A direct connection: whose it is, whose transaction it joins, what becomes of it."""

from __future__ import annotations

from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg.rows import dict_row

from tests.clock import VirtualClock
from tests.integration.client.conftest import Clients, Home
from tillroll import InsufficientFunds, RequestFailed, RetryPolicy, Unreachable, WrongIsolation
from tillroll.retry import Outcome
from tillroll.server import free_port
from tillroll.transports import postgres


@pytest.fixture
def direct_home(direct_clients: Clients) -> Home:
    return Home(direct_clients)


def connect(clients: Clients, dsn: str, **settings: Any) -> Any:
    """A connection of the side's own kind; close it through `done`."""
    if clients.way == "direct":
        return psycopg.connect(dsn, **settings)
    return clients.runner.run(psycopg.AsyncConnection.connect(dsn, **settings))


def done(clients: Clients, given: Any) -> Any:
    """What a method of either side's psycopg objects gives."""
    return given if clients.way == "direct" else clients.runner.run(given)


def test_what_psycopg_could_not_make_sense_of_has_an_unknown_outcome() -> None:
    """Behind a pooler, what a session says as it is terminated gets mixed with an answer."""
    mixed = psycopg.InternalError("received 2 results from command 'COMMIT'")
    assert mixed.sqlstate is None
    told = postgres.failure(mixed, connected=True, in_transaction=False)
    assert told.outcome is Outcome.UNKNOWN


def test_a_lost_connection_is_replaced(direct_home: Home, direct_clients: Clients) -> None:
    direct_home.fund(1)
    ended = direct_clients.backend.sql(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where datname = current_database() and state = 'idle' "
        """and query like '%%"ledger"."transfer"(%%'"""
    )
    assert ended == [(True,)]
    direct_home.fund(1)
    assert direct_home.posted(direct_home.bank) == 2


def test_calls_join_the_transaction_of_a_connection(
    direct_home: Home, direct_clients: Clients
) -> None:
    clients, home = direct_clients, direct_home
    connection = connect(clients, clients.backend.dsn(home.alice), row_factory=dict_row)
    client = clients.direct(connection)
    book = client.book(home.book.id)
    order = {"from_account_id": home.world, "to_account_id": home.bank, "amount": 5}
    done(clients, connection.execute("select 1"))  # begins a transaction
    book.transfer(**order)
    with pytest.raises(InsufficientFunds):
        book.transfer(from_account_id=home.cash, to_account_id=home.bank, amount=5)
    assert book.get_balance(account_id=home.bank).posted == 5
    assert home.posted(home.bank) == 0
    done(clients, connection.rollback())
    assert home.posted(home.bank) == 0
    book.transfer(**order)
    assert home.posted(home.bank) == 5
    client.close()
    done(clients, connection.execute("select 1"))  # it is the caller's
    done(clients, connection.close())
    with pytest.raises(Unreachable):
        book.transfer(**order)


def test_in_the_callers_transaction_nothing_is_repeated(
    direct_home: Home, direct_clients: Clients
) -> None:
    clients, home = direct_clients, direct_home
    connection = connect(clients, clients.backend.dsn(home.alice))
    clock = VirtualClock()
    book = clients.direct(connection, retry=RetryPolicy(clock=clock)).book(home.book.id)
    done(clients, connection.execute("set local statement_timeout = '200ms'"))
    with psycopg.connect(clients.backend.database.dsn("supabase_admin")) as blocker:
        blocker.execute("lock table ledger_private.transactions in access exclusive mode")
        with pytest.raises(RequestFailed) as stopped:
            book.transfer(from_account_id=home.world, to_account_id=home.bank, amount=5)
    assert stopped.value.code == "57014"
    assert clock.slept == []
    done(clients, connection.close())


@pytest.mark.parametrize("level", ["read committed", "serializable"])
def test_a_callers_transaction_is_serializable_or_has_no_such_transfer(
    level: str, direct_home: Home, direct_clients: Clients
) -> None:
    clients, home = direct_clients, direct_home
    connection = connect(clients, clients.backend.dsn(home.alice))
    book = clients.direct(connection).book(home.book.id)
    done(clients, connection.execute(f"set transaction isolation level {level}"))
    order = {"from_account_id": home.world, "to_account_id": home.bank, "amount": 5}
    if level == "serializable":
        book.transfer_serializable(**order)
    else:
        with pytest.raises(WrongIsolation):
            book.transfer_serializable(**order)
    done(clients, connection.commit())
    # Between two transactions of the caller's it has one of its own.
    book.transfer_serializable(**order)
    done(clients, connection.close())
    assert home.posted(home.bank) == (10 if level == "serializable" else 5)


def test_a_pool_lends_its_connections(direct_home: Home, direct_clients: Clients) -> None:
    clients, home = direct_clients, direct_home
    dsn = clients.backend.dsn(home.alice)
    if clients.way == "direct":
        pool: Any = psycopg_pool.ConnectionPool(dsn, min_size=1, max_size=2, open=True)
    else:

        async def opened() -> Any:
            made = psycopg_pool.AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False)
            await made.open()
            return made

        pool = clients.runner.run(opened())
    client = clients.direct(pool)
    client.book(home.book.id).transfer(
        from_account_id=home.world, to_account_id=home.bank, amount=5
    )
    client.close()
    assert not pool.closed
    done(clients, pool.close())
    assert home.posted(home.bank) == 5


def test_where_no_server_is_nothing_happened(direct_clients: Clients) -> None:
    nobody = direct_clients.direct(f"postgresql://u@127.0.0.1:{free_port()}/none")
    with pytest.raises(Unreachable):
        nobody.create_book(name="x", base_currency="EUR")
