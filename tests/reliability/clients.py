"""One interface to the ledger's functions, in SQL and over HTTP, for what is asked of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.reliability.stage import Bank
from tests.world import Refused, Row, Session
from tillroll.models import AccountId


class Refusal(Exception):
    """The call was answered with an error, and left nothing behind.

    Args:
        code: Of the catalogue, or an SQLSTATE.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Client(Protocol):
    """A signed-in user with a connection of her own."""

    def rows(self, function: str, **arguments: Any) -> list[Row]:
        """Call a function of `ledger`.

        Raises:
            Refusal: It was refused.
        """

    def entries(self, accounts: Sequence[AccountId]) -> list[Row]:
        """The entries of accounts in the order of their versions, all of one snapshot."""


class SqlClient:
    """A connection that acts as the user; closed by the stack."""

    def __init__(self, bank: Bank, stack: ExitStack) -> None:
        self._bank = bank
        self._connection = stack.enter_context(
            psycopg.connect(bank.dsn(), autocommit=True, row_factory=dict_row)
        )
        self._connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        self._session = Session(self._connection)

    def rows(self, function: str, **arguments: Any) -> list[Row]:
        """Call a function at the level that it declares, which SQL does not heed by itself."""
        try:
            if function == "transfer_serializable":
                with self._connection.transaction():
                    return self._session.rows(function, **arguments)
            return self._session.rows(function, **arguments)
        except Refused as refused:
            raise Refusal(refused.code) from None
        except psycopg.Error as failed:
            if failed.sqlstate is None or failed.sqlstate.startswith(("08", "57P")):
                raise  # nobody knows what became of it
            raise Refusal(failed.sqlstate) from failed

    def entries(self, accounts: Sequence[AccountId]) -> list[Row]:
        return self._session.query(
            "select account_id, version, amount, balance_after from ledger.entries"
            " where book_id = %s and account_id = any(%s) order by account_id, version",
            [self._bank.book_id, list(accounts)],
        )


class HttpClient:
    """A keep-alive connection to a gateway with the user's token; closed by the stack."""

    def __init__(self, bank: Bank, url: str, stack: ExitStack) -> None:
        self._bank = bank
        headers = {
            "Authorization": f"Bearer {bank.token()}",
            "Content-Type": "application/json",
        }
        self._http = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60))

    def rows(self, function: str, **arguments: Any) -> list[Row]:
        body = json.dumps(arguments, default=str)
        answer = self._read(self._http.post(f"/rpc/{function}", content=body))
        return answer if isinstance(answer, list) else [answer]

    def entries(self, accounts: Sequence[AccountId]) -> list[Row]:
        wanted = {
            "select": "account_id,version,amount,balance_after",
            "book_id": f"eq.{self._bank.book_id}",
            "account_id": f"in.({','.join(map(str, accounts))})",
            "order": "account_id,version",
        }
        rows: list[Row] = self._read(self._http.get("/entries", params=wanted))
        for row in rows:
            row["account_id"] = AccountId(UUID(row["account_id"]))
        return rows

    def _read(self, response: httpx.Response) -> Any:
        answer = response.json()
        if response.is_success:
            return answer
        if response.status_code in (502, 504) or answer["code"] == "PGRST001":
            response.raise_for_status()  # nobody knows what became of it
        raise Refusal(answer["code"])


def deadlocks(bank: Bank) -> int:
    """How many Postgres has broken in this database."""
    with bank.database.connect() as owner:
        row = owner.execute(
            "select deadlocks from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
