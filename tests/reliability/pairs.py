"""Calls that meet at a lock, two and three at a time, and the locks that they would miss.

In each book a and b have 100 and a floor of zero, as c has, which is empty; d is the world outside.
"""

from __future__ import annotations

from tests.reliability.breakpoints import Edit
from tests.reliability.schedules import Call, Scenario


def _pair(name: str, first: str | Call, second: str | Call, given: str = "") -> Scenario:
    calls = (each if isinstance(each, Call) else Call(each) for each in (first, second))
    return Scenario(name, tuple(calls), given)


def _serializable(text: str) -> Call:
    return Call(text.replace("transfer(", "transfer_serializable("), level="serializable")


PAY = "transfer({book}, {a}, {b}, 70)"
BACK = "transfer({book}, {b}, {a}, 60)"
LEAVE = "transfer({book}, {a}, {d}, 60)"
LEAVE_B = "transfer({book}, {b}, {c}, 60)"
ONCE = "transfer({book}, {a}, {b}, 30, 'key')"
UP_TO = "transfer_up_to({book}, {a}, {b}, 70)"
UP_TO_BACK = "transfer_up_to({book}, {b}, {a}, 500)"
HOLD = "create_hold({book}, {a}, {b}, 50, id => {h})"
OTHER_HOLD = "create_hold({book}, {a}, {b}, 60, id => {j})"
CAPTURE = "capture_hold({book}, {h})"
CAPTURE_PART = "capture_hold({book}, {h}, 30, false)"
RELEASE = "release_hold({book}, {h})"
EXPIRE = "expire_holds({book})"
REVERSE = "reverse_transaction({book}, {first})"
REVERSE_PART = "reverse_transaction({book}, {first}, 60)"
LIMIT = "set_balance_limits({book}, {a}, 80, null)"
FREEZE = "freeze_account({book}, {a})"
CLOSE = "close_account({book}, {a}, {b})"
CLOSE_BACK = "close_account({book}, {b}, {a})"
JOIN = "set_account_group({book}, 'Joint', array[{a}, {b}]::uuid[], 120, {g})"
PERIOD = Call("lock_period({book}, '0001-01-01', '9999-12-31')", "trial_balance({book})")
_BATCH = """post_transactions({{book}}, array(
    select jsonb_populate_record(null::ledger.transaction_input, jsonb_build_object(
        'idempotency_key', k.key, 'effective_on', k.day, 'entries', jsonb_build_array(
            jsonb_build_object('account_id', {{{giver}}}, 'amount', -60),
            jsonb_build_object('account_id', {{{taker}}}, 'amount', 60)
        )
    )) from (values {items}) as k (key, day)
), mode => 'per_item')"""
BATCH = _BATCH.format(giver="a", taker="b", items="('x', null), ('y', null)")
BATCH_BACK = _BATCH.format(giver="b", taker="a", items="('y', null), ('x', null)")
BATCH_DATED = _BATCH.format(giver="d", taker="a", items="('x', '2020-01-01'), ('y', null)")

HELD = f"select ledger.{HOLD};"
OVERDUE = f"""{HELD}
update ledger_private.holds set expires_at = clock_timestamp() where book_id = {{book}};
"""
JOINT = f"select ledger.{JOIN};"
HOLDER = """
select ledger.update_account({book}, {b}, payable => true);
select ledger.set_holder({book}, {a}, {heidi}, 'spend');
"""
MEMBER = "select ledger.set_member({book}, {heidi}, 'editor');"

PAIRS = (
    _pair("transfer, transfer of what is left", PAY, LEAVE),
    _pair("transfer, transfer opposite", PAY, BACK),
    _pair("transfer, transfer under the same key", ONCE, ONCE),
    _pair("transfer, another one under its key", ONCE, ONCE.replace("30", "40")),
    _pair("transfer_up_to, transfer", UP_TO, LEAVE),
    _pair("transfer_up_to, transfer_up_to back", UP_TO, UP_TO_BACK),
    _pair("capture_hold twice", CAPTURE, CAPTURE, HELD),
    _pair("capture_hold in parts", CAPTURE_PART, CAPTURE_PART, HELD),
    _pair("capture_hold, release_hold", CAPTURE, RELEASE, HELD),
    _pair("capture_hold, expire_holds", CAPTURE, EXPIRE, OVERDUE),
    _pair("capture_hold, transfer", CAPTURE, LEAVE, HELD),
    _pair("expire_holds twice", EXPIRE, EXPIRE, OVERDUE),
    _pair("release_hold, expire_holds", RELEASE, EXPIRE, OVERDUE),
    _pair("create_hold, transfer", HOLD, LEAVE),
    _pair("create_hold twice", HOLD, HOLD),
    _pair("create_hold, create_hold", HOLD, OTHER_HOLD),
    _pair("reverse_transaction twice", REVERSE, REVERSE),
    _pair("reverse_transaction in parts", REVERSE_PART, REVERSE_PART),
    _pair("reverse_transaction, transfer", REVERSE, LEAVE),
    _pair("lock_period, transfer", PERIOD, PAY),
    _pair("lock_period, capture_hold", PERIOD, CAPTURE, HELD),
    _pair("lock_period, transfer at repeatable read", PERIOD, Call(PAY, level="repeatable read")),
    _pair("set_balance_limits, transfer", LIMIT, PAY),
    _pair(
        "set_balance_limits, transfer at repeatable read", LIMIT, Call(PAY, level="repeatable read")
    ),
    _pair("freeze_account, transfer", FREEZE, PAY),
    _pair("close_account, transfer", CLOSE, PAY),
    _pair("close_account, transfer back", CLOSE, BACK),
    _pair("close_account, close_account opposite", CLOSE, CLOSE_BACK),
    _pair("set_account_group, transfer", JOIN, LEAVE),
    _pair("transfer, transfer under a joint floor", LEAVE, LEAVE_B, JOINT),
    _pair("create_hold, transfer under a joint floor", HOLD, LEAVE_B, JOINT),
    _pair(
        "transfer, transfer_serializable under a joint floor", LEAVE, _serializable(LEAVE_B), JOINT
    ),
    _pair(
        "transfer_serializable twice under a joint floor",
        _serializable(LEAVE),
        _serializable(LEAVE_B),
        JOINT,
    ),
    _pair("transfer, transfer_serializable", LEAVE, _serializable(PAY)),
    _pair("post_transactions, post_transactions opposing", BATCH, BATCH_BACK),
    _pair("post_transactions, transfer opposite", BATCH, BACK),
    _pair(
        "remove_holder, transfer of the holder",
        Call("remove_holder({book}, {a}, {heidi})", "trial_balance({book})"),
        Call(PAY, user="heidi"),
        HOLDER,
    ),
    _pair(
        "remove_member, transfer of the member",
        Call("remove_member({book}, {heidi})", "trial_balance({book})"),
        Call(PAY, user="heidi"),
        MEMBER,
    ),
)
"""Two calls that write."""

READERS = (
    _pair("get_balances, transfer", "get_balances({book})", PAY),
    _pair("trial_balance, transfer", "trial_balance({book})", PAY),
    _pair("account_register, transfer", "account_register({book}, {a})", PAY),
    # Of two transactions one is before the statement, in its opening balance, and one is in it.
    _pair(
        "statement, post_transactions",
        "statement({book}, {a}, '2020-06-01', '9999-12-31')",
        BATCH_DATED,
    ),
)
"""A call that reads, and one that writes."""

_RING = ("transfer({book}, {b}, {c}, 70)", "transfer({book}, {c}, {a}, 70)")
TRIPLES = (
    Scenario("transfers in a ring", tuple(map(Call, (PAY, *_RING)))),
    Scenario("duplicates of a transfer", (Call(ONCE),) * 3),
    Scenario("lock_period, transfer, transfer back", (PERIOD, Call(PAY), Call(BACK))),
    Scenario(
        "capture_hold, release_hold, transfer", tuple(map(Call, (CAPTURE, RELEASE, LEAVE))), HELD
    ),
    Scenario("close_account, transfer, transfer back", tuple(map(Call, (CLOSE, PAY, BACK)))),
    Scenario("set_account_group, transfer, transfer", tuple(map(Call, (JOIN, LEAVE, LEAVE_B)))),
)
"""Three calls."""

TEETH = (
    ("transfer, transfer of what is left", (Edit("post_transfer", "for no key update", ""),)),
    (
        "transfer, transfer opposite",
        (Edit("post_transfer", "order by b.account_id,", "order by b.account_id = v_to_id,"),),
    ),
    (
        "lock_period, transfer",
        (Edit("enter_book", "pg_try_advisory_xact_lock_shared(v_key)", "true"),),
    ),
    ("lock_period, transfer at repeatable read", (Edit("enter_book", "for share", ""),)),
    (
        "remove_member, transfer of the member",
        (Edit("enter_book", "perform pg_advisory_xact_lock(v_key)", "null"),),
    ),
    ("transfer, transfer under a joint floor", (Edit("lock_groups", "for no key update", ""),)),
    (
        "transfer, transfer_serializable under a joint floor",
        (Edit("check_groups", "if not check_groups.dry_run", "if false"),),
    ),
    ("create_hold, create_hold", (Edit("lock_accounts", "for no key update", ""),)),
    (
        "capture_hold twice",
        (
            Edit("lock_accounts", "for no key update", ""),
            Edit("lock_hold", "for no key update", ""),
        ),
    ),
    (
        "set_balance_limits, transfer",
        (
            Edit("lock_account", "for no key update", ""),
            # It writes the rows, too, which locks them.
            Edit("lock_account", "b.account_id = lock_account.account_id;", "false;"),
        ),
    ),
    ("close_account, transfer", (Edit("close_account", "for no key update", ""),)),
    (
        "reverse_transaction twice",
        (
            Edit("reverse_transaction", "for no key update", ""),
            # It writes the row, too, which locks it.
            Edit("reverse_transaction", "if not v_receipt.dry_run", "if false"),
        ),
    ),
)
"""A pair, and the lock without which it has to go wrong."""
