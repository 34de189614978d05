"""ledger.export_checkpoint: the ends of all chains, and one root that stands for them."""

from __future__ import annotations

import uuid
from datetime import datetime
from hashlib import sha256

from tests.callers import WHOLE, answers, assert_refused
from tests.exports import merkle_root
from tests.world import Household, Row


def _stored(home: Household, book_id: str) -> list[Row]:
    return home.owner().query(
        "select account_id, slot, version, hash, posted from ledger_private.balances"
        " where book_id = %s and version > 0 order by account_id, slot",
        [book_id],
    )


def _leaf(row: Row) -> bytes:
    slot, version = row["slot"].to_bytes(2, "big"), row["version"].to_bytes(8, "big")
    return bytes(row["account_id"].bytes + slot + version + row["hash"])


def test_the_heads_of_all_chains_stand_under_one_root(home: Household) -> None:
    alice = home.as_user("alice")
    spread = alice.call(
        "open_account", book_id=home.book_id, name="out", type="expense", currency="EUR", slots=8
    )
    home.accounts["out"] = spread["id"]
    # Its id comes later: an order by slot first would be another.
    home.accounts["late"] = alice.call(
        "open_account", book_id=home.book_id, name="late", type="asset", currency="EUR"
    )["id"]
    home.fund()
    home.fund(1, "late")
    for who in (alice, home.as_user("bob"), home.owner()):
        home.pay(who, "bank", "out", 1)

    taken = home.as_user("carol").call("export_checkpoint", book_id=home.book_id)

    rows = _stored(home, home.book_id)
    assert taken["heads"] == [
        {
            "account_id": str(row["account_id"]),
            "slot": row["slot"],
            "version": row["version"],
            "hash": row["hash"].hex(),
        }
        for row in rows
    ]
    assert taken["entries"] == 10
    assert taken["root"] == merkle_root([_leaf(row) for row in rows]).hex()
    assert taken["book_id"] == home.book_id
    assert datetime.fromisoformat(taken["taken_at"]).tzinfo is not None


def test_every_posting_changes_the_root_and_nothing_else_does(home: Household) -> None:
    def root() -> str:
        return str(home.as_user("carol").call("export_checkpoint", book_id=home.book_id)["root"])

    home.fund()
    first = root()
    home.as_user("alice").call("update_book", book_id=home.book_id, name="renamed")
    assert root() == first
    home.pay(home.as_user("alice"), "bank", "cash", 1)
    second = root()
    home.pay(home.as_user("alice"), "cash", "bank", 1)
    assert len({first, second, root()}) == 3


def test_a_book_without_entries_has_the_root_of_nothing(home: Household) -> None:
    taken = home.as_user("alice").call("export_checkpoint", book_id=home.book_id)
    assert (taken["entries"], taken["heads"]) == (0, [])
    assert taken["root"] == sha256(b"").hexdigest()


def test_another_book_is_not_in_it(home: Household) -> None:
    home.fund()
    other = home.as_user("alice").call("create_book", name="other", base_currency="EUR")["id"]
    assert home.as_user("alice").call("export_checkpoint", book_id=other)["heads"] == []


def test_viewers_and_up(home: Household) -> None:
    home.fund()
    assert answers(home, "export_checkpoint", book_id=home.book_id) == WHOLE


def test_bad_input_is_refused_by_code(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "export_checkpoint",
        {"book_id": home.book_id},
        [({"book_id": None}, "book_not_found"), ({"book_id": uuid.UUID(int=1)}, "book_not_found")],
    )
