"""A payment is refunded twice."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN
from tillroll.races.catalogue.tables import LEDGER_LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

SETUP = """
create table payments (id int primary key, amount bigint not null);
insert into payments values (1, 60);
create table refunds (payment_id int not null references payments, amount bigint not null);
"""
REFUNDED = "select count(*) from refunds where payment_id = 1"
REFUND = "insert into refunds values (1, 60)"
FINAL = """
select p.amount as paid,
    (select coalesce(sum(r.amount), 0)::bigint from refunds as r) as refunded
from payments as p
"""
RULE = "no more is given back than was paid"
CHECK = f"select refunded <= paid from ({FINAL}) as x"
PAY = "select (t).transaction_id from ledger.transfer(:book, :checking, :shop, 60) as t"
REVERSE = "select (t).kind from ledger.reverse_transaction(:book, :payment) as t"

RACE = Race(
    name="double-reversal",
    title="Double reversal",
    question="Two clerks refund the same payment of 60 at the same moment.",
    acts=(
        Act(
            kind="naive",
            title="count the refunds, then insert one",
            story="The code refunds only what has no refund yet. There is no row to lock: not yet.",
            setup=SETUP,
            steps=(
                a("begin"),
                b("begin"),
                a(REFUNDED, gives=0),
                b(REFUNDED, gives=0, note="no refund yet, for B either"),
                a(REFUND),
                b(REFUND, anomaly="the second refund of one payment"),
                a("commit"),
                b("commit"),
            ),
            final=FINAL,
            leaves=[(60, 120)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            verdict="Nobody even waited: two inserts are no conflict, and an absence has no lock.",
        ),
        Act(
            kind="other",
            title="the same at serializable",
            story="Each has read the absence that the other has ended.",
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(REFUNDED, gives=0),
                b(REFUNDED, gives=0),
                a(REFUND),
                b(REFUND),
                a("commit"),
                b("commit", fails="40001"),
            ),
            final=FINAL,
            leaves=[(60, 60)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right, and told at the last moment: every statement of B had succeeded. Refunds "
                "of other payments are in the way, too: without an index each has read the whole "
                "table, and with one a whole page of it."
            ),
        ),
        Act(
            kind="other",
            title="a unique index on the refund's payment",
            story="Let the index be the lock: there can be one refund of a payment.",
            setup=SETUP + "create unique index on refunds (payment_id);",
            steps=(
                a("begin"),
                b("begin"),
                a(REFUND),
                b(REFUND, waits=True, fails="23505"),
                a("commit"),
                b("rollback"),
            ),
            final=FINAL,
            leaves=[(60, 60)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right at every level, whoever writes. The price: a refund in two parts is "
                "impossible, and `duplicate key` has to be turned into words."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.reverse_transaction",
            story=(
                "The original's row is locked, and what has been reversed so far is added up after "
                "that. Parts may come until the whole is back."
            ),
            steps=(
                a(PAY, keeps="payment"),
                a("begin"),
                a(REVERSE, gives="reversal"),
                b(REVERSE, waits=True, fails="already_reversed"),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 100), ("savings", 100), ("shop", 0)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict="One reversal, and for the other clerk an answer that she can read.",
        ),
    ),
    lesson=(
        "What does not exist cannot be locked. Lock what does: the payment that the refund is of. "
        "Or let a unique key decide, where once really means once."
    ),
    sources=(ACIDRAIN,),
)
