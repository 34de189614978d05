"""Two withdrawals read the same balance, and one of them is forgotten."""

from __future__ import annotations

from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

READ = "select balance from accounts where id = 1"
WRITE = "update accounts set balance = :seen - 60 where id = 1"
SPEND = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 60) as t"

RACE = Race(
    name="lost-update",
    title="Lost update",
    question="Alice has 100 and spends 60 twice at the same moment. How much has she spent?",
    acts=(
        Act(
            kind="naive",
            title="read, subtract, write",
            story="The back end reads the balance, sees that it suffices, and writes what is left.",
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                b("begin"),
                a(READ, gives=100, keeps="seen"),
                b(READ, gives=100, note="the same 100"),
                a(WRITE),
                b(WRITE, waits=True, anomaly="writes over what A has written"),
                a("commit", note="60 are paid out"),
                b("commit", note="60 more are paid out"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 100)],
            rule="what is left and what was paid out are what there was",
            check="select balance + 60 + 60 = 100 from accounts where id = 1",
            breaks=True,
            verdict=(
                "120 were paid out of 100. The wait did not help: B waited to write a number that "
                "it had computed before."
            ),
        ),
        Act(
            kind="other",
            title="the same at repeatable read",
            story=(
                "Under snapshot isolation the second writer of a row is refused, since the row is "
                "not any more what its snapshot shows."
            ),
            setup=ACCOUNTS,
            steps=(
                a("begin isolation level repeatable read"),
                b("begin isolation level repeatable read"),
                a(READ, gives=100, keeps="seen"),
                b(READ, gives=100),
                a(WRITE),
                b(WRITE, waits=True, fails="40001"),
                a("commit"),
                b("rollback", note="and now again, from the beginning"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 100)],
            rule="what is left and what was paid out are what there was",
            check="select balance + 60 = 100 from accounts where id = 1",
            verdict=(
                "Right, at the price of an error that somebody has to catch and repeat, with all "
                "that was read; the more contended the account, the more often."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer",
            story=(
                "The balance is locked first and judged after. Who waits for the lock reads what "
                "the other has left."
            ),
            steps=(
                a("begin"),
                a(SPEND, gives=False),
                b(SPEND, waits=True, fails="insufficient_funds"),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 40), ("savings", 100), ("shop", 60)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict="B is told the truth, once: the money is gone. There is nothing to repeat.",
        ),
    ),
    lesson=(
        "A lock that is taken by the write comes too late: what the write says was decided before. "
        "Either lock what you are going to judge by before you read it, or let the statement "
        "compute (`balance = balance - 60 where balance >= 60`)."
    ),
)
