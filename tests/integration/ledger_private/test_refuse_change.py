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
        "delete from ledger_private.holds where false",
        "truncate ledger_private.accounts cascade",
    ):
        assert (statement, answer(partial(owner.query, statement))) == (statement, REFUSED)
    assert answer(partial(owner.query, "delete from ledger_private.currencies")) == "23503"
    assert home.state() == before


def test_each_table_refuses_by_itself_to_be_emptied(home: Household) -> None:
    """Not only because what refers to it refuses: the triggers of the others are off."""
    home.fund()
    owner = home.owner()
    tables = {"books", "accounts", "holds", "transactions", "entries"}
    for table in tables:
        owner.query("begin")
        for other in tables - {table}:
            owner.query(f"alter table ledger_private.{other} disable trigger user")
        truncate = f"truncate ledger_private.{table} cascade"
        assert (table, answer(partial(owner.query, truncate))) == (table, REFUSED)
        owner.query("rollback")


def test_a_transaction_is_removed_by_the_one_that_made_it_alone(home: Household) -> None:
    """A batch takes back the rows of what it refuses; nothing else goes."""
    older = home.fund()["transaction_id"]
    owner = home.owner()
    before = home.state()
    insert = (
        "insert into ledger_private.transactions (book_id, id, kind, effective_on)"
        " values (%s, gen_random_uuid(), 'transfer', '2026-01-01') returning id"
    )
    remove = "delete from ledger_private.transactions where id = any(%s)"
    owner.query("begin")
    own = str(owner.query(insert, [home.book_id])[0]["id"])
    owner.query("savepoint own")
    for ids in ([older], [own, older]):
        assert answer(partial(owner.query, remove, [ids])) == REFUSED
        owner.query("rollback to own")
    owner.query(remove, [[own]])
    owner.query("commit")
    assert home.state() == before

    own = str(owner.query(insert, [home.book_id])[0]["id"])
    assert answer(partial(owner.query, remove, [[own]])) == REFUSED
