"""A request is sent twice, and both look for its key before either has written it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN, IDEMPOTENCY
from tillroll.races.catalogue.tables import ACCOUNTS, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("first try"), session("its repeat")

PAYMENTS = "create table payments (key text not null, amount bigint not null);"
UNIQUE = "create unique index payments_key on payments (key);"
LOOK = "select count(*) from payments where key = 'order-17'"
INSERT = "insert into payments values ('order-17', 40)"
CLAIM = "insert into payments values ('order-17', 40) on conflict (key) do nothing"
TAKE = "update accounts set balance = balance - 40 where id = 1 returning balance"
LEFT = """
select (select balance from accounts where id = 1) as balance,
    (select count(*) from payments where key = 'order-17') as payments
"""
RULE = "order 17 is paid once"
HOLDS = "select count(*) = 1 from payments where key = 'order-17'"

PAY = """
select (t).replayed, (t.entries)[1].balance_after
from ledger.transfer(:book, :checking, :shop, 40, idempotency_key => 'order-17') as t
"""
PAY_MORE = """
select (t).replayed
from ledger.transfer(:book, :checking, :shop, 50, idempotency_key => 'order-17') as t
"""
PAID = """
select (select a.posted from ledger.accounts as a where a.id = :checking) as balance,
    count(*) as payments
from ledger.transactions as t where t.idempotency_key = 'order-17'
"""

RACE = Race(
    name="idempotency-check-then-insert",
    title="Check, then insert an idempotency key",
    question=(
        "The answer to a payment does not come, so the app sends it again under the same key, "
        "while the first is still under way. Is it paid once, and what is the app told?"
    ),
    acts=(
        Act(
            kind="naive",
            title="look for the key, then insert",
            story="The back end pays only where it finds no payment under the key.",
            setup=ACCOUNTS + PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(LOOK, gives=0, note="not paid yet"),
                b(LOOK, gives=0, note="not paid yet"),
                a(INSERT),
                b(INSERT, note="nothing stands against it"),
                a(TAKE, gives=60),
                b(TAKE, waits=True, gives=20, anomaly="the order is paid again"),
                a("commit"),
                b("commit"),
            ),
            final=LEFT,
            leaves=[(20, 2)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "Paid twice. What one has not committed, the other cannot find, and a repeat comes "
                "when the first is slow: just then it is not committed."
            ),
        ),
        Act(
            kind="other",
            title="the same with a unique key",
            story="A unique index makes the second insert wait for the first, and fail.",
            setup=ACCOUNTS + PAYMENTS + UNIQUE,
            steps=(
                a("begin"),
                b("begin"),
                a(LOOK, gives=0),
                b(LOOK, gives=0),
                a(INSERT),
                b(INSERT, waits=True, fails="23505"),
                a(TAKE, gives=60),
                a("commit"),
                b("rollback", note="it says failed, and the order is paid"),
            ),
            final=LEFT,
            leaves=[(60, 1)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Paid once, but the app is shown an error for a payment that was made. Somebody "
                "has to catch it, and since the transaction is aborted, find the answer in another."
            ),
        ),
        Act(
            kind="other",
            title="on conflict do nothing, at repeatable read",
            story=(
                "The insert takes the key or leaves it, without an error. For safety's sake it "
                "runs at a stronger level than the default."
            ),
            setup=ACCOUNTS + PAYMENTS + UNIQUE,
            steps=(
                a("begin isolation level repeatable read"),
                b("begin isolation level repeatable read"),
                a(CLAIM),
                b(CLAIM, waits=True, fails="40001", note="the row is there, its snapshot is older"),
                a(TAKE, gives=60),
                a("commit"),
                b("rollback", note="and now again, from the beginning"),
            ),
            final=LEFT,
            leaves=[(60, 1)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Paid once, and each repeat that comes at the wrong moment is an error that has to "
                "be repeated itself. At read committed the same insert would find the row, say "
                "`insert 0 0`, and the next statement could read the answer of the first."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer with idempotency_key",
            story=(
                "The key is inserted first, in the transaction that pays, at read committed. The "
                "repeat waits for it and gets the receipt of the first. A hash of the request "
                "stands beside the key."
            ),
            steps=(
                a("begin"),
                a(PAY, gives=[(False, 60)]),
                b(PAY, waits=True, gives=[(True, 60)], note="replayed: the receipt of the first"),
                a("commit"),
                b(PAY_MORE, fails="idempotency_mismatch", note="the same key for another amount"),
            ),
            final=PAID,
            leaves=[(60, 1)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "Paid once, and both are told so. The repeat holds a connection while it waits, "
                "three seconds at most, then it is told `busy`; and keys are kept for ever, since "
                "nobody can say when the last repeat will come."
            ),
        ),
    ),
    lesson=(
        "A key protects only if it is taken before the work, by a unique index, in the work's own "
        "transaction, and if who comes second gets the first one's answer. Looking for it "
        "beforehand decides nothing."
    ),
    sources=(IDEMPOTENCY, ACIDRAIN),
)
