from __future__ import annotations

import time
import uuid

from tests.conftest import Database


def test_ids_are_unique_uuids_of_version_7_in_the_order_of_time(db: Database) -> None:
    begun = time.time() * 1000
    with db.connect() as owner:
        rows = owner.execute(
            "select ledger_private.new_id() from generate_series(1, 5000)"
        ).fetchall()
        later = owner.execute("select pg_sleep(0.003), ledger_private.new_id()").fetchall()[0][1]
    ended = time.time() * 1000

    ids: list[uuid.UUID] = [made for (made,) in rows]
    assert len(set(ids)) == len(ids)
    assert {made.version for made in ids} == {7}
    assert {made.variant for made in ids} == {uuid.RFC_4122}
    times = [made.int >> 80 for made in ids]
    assert times == sorted(times)
    assert begun - 2 <= times[0] <= times[-1] <= ended + 2
    assert later > max(ids)


def test_the_rest_of_an_id_is_random(db: Database) -> None:
    with db.connect() as owner:
        rows = owner.execute(
            "select ledger_private.new_id() from generate_series(1, 2000)"
        ).fetchall()
    ones = [sum(made.int >> bit & 1 for (made,) in rows) for bit in range(80)]
    fixed = {62: 0, 63: 2000, 76: 2000, 77: 2000, 78: 2000, 79: 0}
    for bit, count in enumerate(ones):
        if bit in fixed:
            assert (bit, count) == (bit, fixed[bit])
        else:
            assert 800 < count < 1200, bit
