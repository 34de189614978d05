"""One account takes part in every payment."""

from __future__ import annotations

from tillroll.races.catalogue.tables import SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

SETUP = """
create table accounts (name text primary key, balance bigint not null);
insert into accounts values ('alice', 100), ('bob', 100), ('fees', 0);
"""
FEE = "update accounts set balance = balance + 1 where name = 'fees'"
TAKE = "update accounts set balance = balance - 1 where name = '{}'"
LEFT = "select name, balance from accounts order by name"
RULE = "each of two payments that have nothing to do with each other is booked"
CHECK = "select {} = 2"
FEES = "select ledger.open_account(:book, 'fees', 'income', 'EUR', id => :fees, slots => 16)"
PAY = "select (t).replayed from ledger.transfer(:book, :{}, :fees, 1) as t"

RACE = Race(
    name="hot-account",
    title="The hot account",
    question=(
        "Alice and Bob pay a fee of 1 each. Neither knows the other. Why does Bob wait for Alice?"
    ),
    acts=(
        Act(
            kind="naive",
            title="one row for all fees",
            story=(
                "Every payment adds to the row of the fees, and holds it until it commits: while "
                "the back end asks the bank, sends the mail, collects garbage."
            ),
            setup=SETUP,
            steps=(
                a("begin"),
                a(TAKE.format("alice")),
                a(FEE, note="and now A does something else for a while"),
                b("set lock_timeout = '2s'"),
                b("begin"),
                b(TAKE.format("bob")),
                b(FEE, waits=True, fails="55P03", anomaly="Bob's payment fails for Alice's sake"),
                b.passes("B's patience, 2 seconds, ends"),
                b("rollback"),
                a("commit"),
            ),
            final=LEFT,
            leaves=[("alice", 99), ("bob", 100), ("fees", 1)],
            rule=RULE,
            check=CHECK.format("(select balance from accounts where name = 'fees')"),
            breaks=True,
            verdict=(
                "All payments of all customers stand in one queue, which moves when the first in "
                "it commits. Whoever has a time limit may not come to her turn."
            ),
        ),
        Act(
            kind="other",
            title="the same at repeatable read",
            story="Optimism does not help here: everybody does write the same row.",
            setup=SETUP,
            steps=(
                a("begin"),
                a(TAKE.format("alice")),
                a(FEE),
                b("begin isolation level repeatable read"),
                b(TAKE.format("bob")),
                b(FEE, waits=True, fails="40001", anomaly="waited, and failed all the same"),
                a("commit"),
                b("rollback"),
            ),
            final=LEFT,
            leaves=[("alice", 99), ("bob", 100), ("fees", 1)],
            rule=RULE,
            check=CHECK.format("(select balance from accounts where name = 'fees')"),
            breaks=True,
            verdict=(
                "Worse: the same queue, and at its end a failure instead of a turn. The more wait, "
                "the more of them fail."
            ),
        ),
        Act(
            kind="other",
            title="insert each fee, add them up when somebody asks",
            story="Inserts do not meet: a row a fee, and the balance is a sum.",
            setup=SETUP + "create table fees (payer text not null, amount bigint not null);",
            steps=(
                a("begin"),
                a(TAKE.format("alice")),
                a("insert into fees values ('alice', 1)"),
                b("begin"),
                b(TAKE.format("bob")),
                b("insert into fees values ('bob', 1)"),
                b("commit", note="without waiting"),
                a("commit"),
            ),
            final="select payer, amount from fees order by payer",
            leaves=[("alice", 1), ("bob", 1)],
            rule=RULE,
            check=CHECK.format("(select sum(amount) from fees)"),
            verdict=(
                "Nobody waits. But each look at the balance reads all fees there ever were, and a "
                "floor cannot be kept: for that all would have to meet in a lock again."
            ),
        ),
        Act(
            kind="tillroll",
            title="an account with 16 slots",
            story=(
                "An account without limits may have several balance rows. A session uses the one "
                "that its backend's number gives it; the balance is the sum of sixteen rows."
            ),
            setup=FEES,
            steps=(
                a("begin"),
                a(PAY.format("checking"), gives=False),
                b("begin"),
                b(PAY.format("savings"), gives=False, note="without waiting, in another slot"),
                b("commit"),
                a("commit"),
            ),
            final="select a.name, a.posted from ledger.accounts as a where a.name = 'fees'",
            leaves=[("fees", 2)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "Both are booked, at the same time, in chains of their own. The price: such an "
                "account has no floor and no single running balance."
            ),
        ),
    ),
    lesson=(
        "Contention is a matter of what rows mean. An account that nobody's funds are checked "
        "against needs no single row; one with a floor does, and then the lock should be short: "
        "one call, one transaction, nothing else in it."
    ),
)
