"""What is written on the roll stays, for the owner of the schema too."""

from __future__ import annotations

from functools import partial

from tests.callers import answer
from tests.world import Household, Session

REFUSED = "23001"  # restrict_violation
WORDS = {"description", "external_id", "metadata"}


def _columns(owner: Session, table: str) -> list[str]:
    rows = owner.query(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
        " and not attisdropped order by attnum",
        [f"ledger_private.{table}"],
    )
    return [row["attname"] for row in rows]


def test_entries_cannot_be_changed_or_removed(home: Household) -> None:
    home.fund()
    owner = home.owner()
    before = home.state()
    for column in _columns(owner, "entries"):
        update = f"update ledger_private.entries set {column} = {column}"
        assert (column, answer(partial(owner.query, update))) == (column, REFUSED)
    for statement in (
        "update ledger_private.entries set amount = 1 where false",
        "delete from ledger_private.entries",
        "delete from ledger_private.entries where false",
        "truncate ledger_private.entries",
        """
        insert into ledger_private.entries select * from ledger_private.entries
        on conflict on constraint entries_pkey do update set amount = 1
        """,
    ):
        assert (statement, answer(partial(owner.query, statement))) == (statement, REFUSED)
    assert home.state() == before


def test_transactions_cannot_be_changed_or_removed_but_for_their_words(home: Household) -> None:
    home.fund()
    owner = home.owner()
    before = home.state()
    columns = _columns(owner, "transactions")
    told = {
        column: answer(
            partial(owner.query, f"update ledger_private.transactions set {column} = {column}")
        )
        for column in columns
    }
    assert told == {column: "none" if column in WORDS else REFUSED for column in columns}
    for statement in (
        "delete from ledger_private.transactions",
        "truncate ledger_private.transactions",
        "truncate ledger_private.books cascade",
        "update ledger_private.transactions set metadata = '{}', kind = 'transfer'",
    ):
        assert (statement, answer(partial(owner.query, statement))) == (statement, REFUSED)
    assert home.state() == before


def test_words_can_be_erased_and_the_book_still_proves_itself(home: Household) -> None:
    bob = home.as_user("bob")
    home.pay(bob, "world", "bank", 5, description="d", external_id="x", metadata={"a": 1})
    home.owner().query(
        "update ledger_private.transactions set description = null, external_id = null,"
        " metadata = '{}'"
    )
    words = bob.query("select description, external_id, metadata from ledger.transactions")
    assert words == [{"description": None, "external_id": None, "metadata": {}}]
    home.assert_sound()


def test_parents_of_what_is_booked_cannot_be_removed(home: Household) -> None:
    home.fund()
    owner = home.owner()
    before = home.state()
    for statement in (
        "delete from ledger_private.books where false",
        "delete from ledger_private.accounts where false",
        "truncate ledger_private.accounts, ledger_private.balances",
    ):
        assert (statement, answer(partial(owner.query, statement))) == (statement, REFUSED)
    assert answer(partial(owner.query, "delete from ledger_private.currencies")) == "23503"
    assert home.state() == before
