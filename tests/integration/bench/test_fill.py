"""The benchmark's books are sound, and what it sends is what it means."""

from __future__ import annotations

from tests.bench.batches import ITEMS, literal
from tests.bench.fill import fill
from tests.bench.stage import one, verified
from tests.conftest import Database


def test_a_filled_book_has_its_entries_and_every_check_holds(db: Database) -> None:
    book = fill(db, 2_000)
    with book.admin() as admin:
        assert one(admin, "select count(*) from ledger_private.entries") == 2_000
        assert one(admin, "select count(*) > 0 from ledger_private.value_shifts") is True
        assert verified(admin, book.book_id)


def test_a_batch_is_a_thousand_whole_transfers_each_with_its_key(db: Database) -> None:
    statement = """
        select count(*), count(distinct i.idempotency_key), bool_and(s.legs = 2 and s.total = 0)
        from unnest(%s::ledger.transaction_input[]) as i
        cross join lateral (
            select count(distinct e.account_id) as legs, sum(e.amount) as total
            from unnest(i.entries) as e
        ) as s
    """
    with db.connect() as owner:
        answer = owner.execute(statement, [literal().decode()]).fetchone()
    assert answer == (ITEMS, ITEMS, True)
