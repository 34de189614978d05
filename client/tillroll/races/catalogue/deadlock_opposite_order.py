"""Two transfers between the same accounts, in opposite directions, wait for each other."""

from __future__ import annotations

from tillroll.races.catalogue.sources import LOCKING
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT, SOUND
from tillroll.races.script import Act, Race, Step, session

a, b, c = session("A"), session("B"), session("C")

LOCK = "select id from accounts where id in (1, 2) order by id for no key update"
RULE = "both transfers are done"
BOTH_DONE = [(1, "alice", 120), (2, "bob", 80)]
HOLDS = "select balance = 100 - 10 + 30 from accounts where id = 1"

THERE = "select (t).replayed from ledger.transfer(:book, :checking, :savings, 10) as t"
BACK = "select (t).replayed from ledger.transfer(:book, :savings, :checking, 30) as t"
ELSEWHERE = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 10) as t"
MEANWHILE = "select (t).replayed from ledger.transfer(:book, :savings, :world, 5) as t"


def _change(account: int, amount: int) -> str:
    sign = "+" if amount > 0 else "-"
    return f"update accounts set balance = balance {sign} {abs(amount)} where id = {account}"


def _crossed(begin: str) -> tuple[Step, ...]:
    return (
        a(begin),
        b(begin),
        a(_change(1, -10), note="10 from alice to bob"),
        b(_change(2, -30), note="30 from bob to alice"),
        a(_change(2, 10), waits=True),
        b(_change(1, 30), fails="40P01", anomaly="each waits for the other: B is aborted"),
        a("commit"),
        b("rollback"),
    )


RACE = Race(
    name="deadlock-opposite-order",
    title="Deadlock by opposite order",
    question="10 go from Alice to Bob while 30 go from Bob to Alice. Who is first?",
    acts=(
        Act(
            kind="naive",
            title="take, then give",
            story="Each transfer writes the row of who pays, then the row of who is paid.",
            setup=ACCOUNTS,
            steps=_crossed("begin"),
            final=LEFT,
            leaves=[(1, "alice", 90), (2, "bob", 110)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "No money is lost, but Bob's transfer is, unless somebody repeats it. Both have "
                "stood still until Postgres looked for a circle: deadlock_timeout, one second by "
                "default."
            ),
        ),
        Act(
            kind="other",
            title="the same at serializable",
            story="The strongest level that there is.",
            setup=ACCOUNTS,
            steps=_crossed("begin isolation level serializable"),
            final=LEFT,
            leaves=[(1, "alice", 90), (2, "bob", 110)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "A level says what is seen, not in which order rows are locked: the deadlock is "
                "the same. Now there are two codes to be repeated, 40001 and 40P01."
            ),
        ),
        Act(
            kind="other",
            title="lock both, in the order of their ids",
            story="Both rows are locked before the first is written, the lower id first.",
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                b("begin"),
                a(LOCK, gives=[(1,), (2,)]),
                b(
                    LOCK,
                    waits=True,
                    gives=[(1,), (2,)],
                    note="had waited at row 1, holding nothing",
                ),
                a(_change(1, -10)),
                a(_change(2, 10)),
                a("commit"),
                b(_change(2, -30)),
                b(_change(1, 30)),
                b("commit"),
            ),
            final=LEFT,
            leaves=BOTH_DONE,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Both are done, nobody repeats. It costs one more statement, all rows have to be "
                "known before the first is written, and the order is a convention: one piece of "
                "code that forgets it deadlocks with all others."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer",
            story=(
                "Each call locks all its balance rows in one statement, in the order of the "
                "account ids, whichever of them pays."
            ),
            steps=(
                a("begin"),
                a(THERE, gives=False),
                b(BACK, waits=True, gives=False),
                a("commit"),
                a("begin"),
                a(ELSEWHERE, gives=False, note="holds checking, the lower id"),
                b(BACK, waits=True, gives=False),
                c(MEANWHILE, gives=False, note="at once: B has not got savings, though it pays"),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 140), ("savings", 45), ("shop", 10)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "B waits, holding nothing, and is done. That holds for one call a transaction. Who "
                "puts several into one brings their order back into play, and should send them as "
                "one batch to `post_transactions`, which sorts them all."
            ),
        ),
    ),
    lesson=(
        "Deadlocks come from order, not from load: where all locks are taken in one order, and "
        "none is made stronger later, there are none. Sort what you lock, lock it in one statement "
        "before you write, and still repeat on 40P01, since other code shares your tables."
    ),
    sources=(LOCKING,),
)
