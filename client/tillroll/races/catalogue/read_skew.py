"""A report reads one account before a transfer and the other after it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import CRITIQUE, HERMITAGE, VOLATILITY
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT
from tillroll.races.script import Act, Race, Step, session

a, b = session("report"), session("transfer")

ALICE = "select balance from accounts where id = 1"
BOB = "select balance from accounts where id = 2"
FROM_BOB = "update accounts set balance = balance - 50 where id = 2"
TO_ALICE = "update accounts set balance = balance + 50 where id = 1"
MOVED = [(1, "alice", 150), (2, "bob", 50)]
RULE = "the report gives what the two have together"
HOLDS = "select :report = 200"

# A statement stands still where it calls this, for as long as the other session wants it to.
PAUSE = """
create function pause() returns bigint language sql as
'select pg_advisory_xact_lock(1); select 0::bigint';
"""
HOLD = "select pg_advisory_lock(1)"
RELEASE = "select pg_advisory_unlock(1)"
HOLD_SHOWN = "-- keeps the report's statement in its pause"
RELEASE_SHOWN = "-- lets it go on"
BALANCE_OF = """
create function balance_of(account int) returns bigint language sql as
'select balance from accounts where id = account';
"""
TWO_CALLS = "select balance_of(1) + pause() + balance_of(2)"
TWO_READS = """
select (ledger.get_balance(:book, :checking)).posted + pause()
    + (ledger.get_balance(:book, :savings)).posted
"""
MOVE = "select (t).replayed from ledger.transfer(:book, :savings, :checking, 50) as t"
ALL = (
    "select sum(b.posted) from ledger.get_balances(:book, array[:checking, :savings]::uuid[]) as b"
)


def _transfer() -> tuple[Step, ...]:
    return (b("begin"), b(FROM_BOB), b(TO_ALICE), b("commit"))


RACE = Race(
    name="read-skew",
    title="Read skew",
    question=(
        "Alice and Bob have 100 each, and 50 go from one to the other while a report adds the two "
        "up. Does it find 200?"
    ),
    acts=(
        Act(
            kind="naive",
            title="two queries in a transaction",
            story=(
                "The report reads one balance, then the other, in one transaction at read "
                "committed, the default. It writes nothing, so what could go wrong?"
            ),
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                a(ALICE, gives=100, keeps="alices"),
                *_transfer(),
                a(BOB, gives=50, keeps="bobs", anomaly="50 are in neither number"),
                a("select :alices + :bobs", gives=150, keeps="report", note="where 200 are"),
                a("commit"),
            ),
            final=LEFT,
            leaves=MOVED,
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "Each number was right when it was read, and their sum never was. At read "
                "committed each statement has its own snapshot; the transaction has none."
            ),
        ),
        Act(
            kind="other",
            title="one statement, two function calls",
            story=(
                "One statement has one snapshot, so the report becomes one. But a function is "
                "VOLATILE unless it says otherwise, and at read committed each query inside a "
                "volatile function takes a snapshot of its own."
            ),
            setup=ACCOUNTS + BALANCE_OF + PAUSE,
            steps=(
                b(HOLD, shown=HOLD_SHOWN),
                a(
                    TWO_CALLS,
                    gives=150,
                    keeps="report",
                    waits=True,
                    anomaly="two calls, two snapshots",
                ),
                *_transfer(),
                b(RELEASE, shown=RELEASE_SHOWN, gives=True),
            ),
            final=LEFT,
            leaves=MOVED,
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "The same 150. The pause only makes room to look: any transfer that commits "
                "between the two calls does this, and the slower the statement the more there are."
            ),
        ),
        Act(
            kind="other",
            title="repeatable read, read only",
            story="All statements of the transaction see the moment of the first.",
            setup=ACCOUNTS,
            steps=(
                a("begin isolation level repeatable read read only"),
                a(ALICE, gives=100, keeps="alices"),
                *_transfer(),
                a(BOB, gives=100, keeps="bobs", note="as it was when the first was read"),
                a("select :alices + :bobs", gives=200, keeps="report"),
                a("commit"),
            ),
            final=LEFT,
            leaves=MOVED,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, and nobody waited: who only reads gets no 40001 here. The report is as old "
                "as its first query, and while it is open vacuum cannot take away what it may "
                "still have to see."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.get_balance is STABLE",
            story=(
                "A stable function reads with the snapshot of the statement that calls it. All "
                "reading functions of the ledger are stable, and so is what they call."
            ),
            setup=PAUSE + "grant execute on function pause() to authenticated;",
            steps=(
                b(HOLD, shown=HOLD_SHOWN),
                a(TWO_READS, gives=200, keeps="report", waits=True, note="two calls, one snapshot"),
                b(MOVE, gives=False),
                b(RELEASE, shown=RELEASE_SHOWN, gives=True),
                a(ALL, gives=200, note="over HTTP: one call for both accounts"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 150), ("savings", 50), ("shop", 0)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "200, at read committed and without a lock. Two requests are two snapshots here "
                "too: what has to fit together is asked for in one, by `get_balances` or "
                "`trial_balance`."
            ),
        ),
    ),
    lesson=(
        "Numbers that are compared or added up have to come from one snapshot: from one statement "
        "whose functions are STABLE, or from one transaction at repeatable read, READ ONLY. Locks "
        "are not needed for that."
    ),
    sources=(CRITIQUE, HERMITAGE, VOLATILITY),
)
