"""The views of `ledger`: what they show. Who sees which rows stands in test_access.py."""

from __future__ import annotations

from tests.world import Household, Row

COLUMNS = {
    "books": "id name base_currency archived_at created_at",
    "members": "book_id user_id role created_at",
    "accounts": "id book_id code name type currency min_balance max_balance payable slots status"
    " external_id metadata created_at posted held available version",
    "transactions": "id book_id kind effective_on posted_at description idempotency_key"
    " external_id reverses_id metadata created_by",
    "entries": (
        "book_id account_id slot version transaction_id leg amount balance_after booked_at"
        " effective_on hash"
    ),
    "currencies": "code exponent name",
    "groups": "id book_id name min_total account_ids version created_at",
    "holders": "book_id account_id user_id access created_at",
    "holds": "id book_id account_id to_account_id amount captured released expires_at state"
    " description metadata created_by created_at",
    "periods": "book_id from_date to_date created_at",
}


def _rows(home: Household, view: str) -> list[Row]:
    answers = home.as_user("carol").query(f"select to_json(v) as row from ledger.{view} as v")
    return [answer["row"] for answer in answers]


def test_their_columns_are_those_of_the_contract(home: Household) -> None:
    columns = home.owner().query(
        """
        select c.table_name, string_agg(c.column_name, ' ' order by c.ordinal_position) as names
        from information_schema.columns as c
        join information_schema.views as v using (table_schema, table_name)
        where table_schema = 'ledger' group by 1
        """
    )
    assert {c["table_name"]: c["names"] for c in columns} == COLUMNS


def test_an_account_shows_its_balance(home: Household) -> None:
    home.fund(100)
    accounts = {a["id"]: a for a in _rows(home, "accounts")}
    assert set(accounts) == set(home.accounts.values())
    bank, world = accounts[home.accounts["bank"]], accounts[home.accounts["world"]]
    money = ("posted", "held", "available", "version")
    assert [bank[name] for name in money] == [100, 0, 100, 1]
    assert [world[name] for name in money] == [-100, 0, None, 1]


def test_a_transaction_shows_its_words_and_its_entries(home: Household) -> None:
    words = {
        "description": "Miete",
        "idempotency_key": "k",
        "external_id": "x",
        "metadata": {"a": None},
        "effective_on": "2026-02-03",
    }
    receipt = home.pay(home.as_user("bob"), "world", "bank", 100, **words)
    (transaction,) = _rows(home, "transactions")
    assert transaction == {
        **words,
        "id": receipt["transaction_id"],
        "book_id": home.book_id,
        "kind": "transfer",
        "posted_at": receipt["posted_at"],
        "reverses_id": None,
        "created_by": home.users["bob"],
    }
    entries = sorted(_rows(home, "entries"), key=lambda entry: int(entry["leg"]))
    for entry, line in zip(entries, receipt["entries"], strict=True):
        assert entry["transaction_id"] == receipt["transaction_id"]
        assert line.items() <= entry.items()


def test_currencies_are_those_of_iso_4217_that_have_an_exponent(home: Household) -> None:
    exponents = {c["code"]: c["exponent"] for c in _rows(home, "currencies")}
    assert len(exponents) == 165
    expected = {"EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4}
    assert {code: exponents[code] for code in expected} == expected
    assert set(exponents.values()) == {0, 2, 3, 4}
