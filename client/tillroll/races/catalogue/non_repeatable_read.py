"""What was judged is not what is written: the row has changed between two looks at it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN, AD_HOC, CRITIQUE, ISOLATION
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

READ = "select balance from accounts where id = 1"
LOCK = "select balance from accounts where id = 1 for no key update"
TAKE = "update accounts set balance = balance - 60 where id = 1 returning balance"
GUARDED = """
update accounts set balance = balance - 60 where id = 1 and balance >= 60 returning balance
"""
RULE = "no balance is below zero"
HOLDS = "select bool_and(balance >= 0) from accounts"

SEEN = "select posted, version from ledger.get_balance(:book, :checking)"
SPEND = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 60) as t"
EXPECT = """
select (t).replayed from ledger.transfer(:book, :checking, :shop, 30,
    expect => array[row(:checking, :version, null, null)::ledger.expectation]) as t
"""

RACE = Race(
    name="non-repeatable-read",
    title="Non-repeatable read",
    question=(
        "The back end sees that 100 suffice for 60, and then takes the 60 away. Is it the same 100?"
    ),
    acts=(
        Act(
            kind="naive",
            title="check, then subtract",
            story=(
                "Nothing is computed from an old number here: the statement itself subtracts. Only "
                "the check is older."
            ),
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                a(READ, gives=100, note="enough for 60"),
                b(GUARDED, gives=40, note="60 are paid out, in a transaction of its own"),
                a(TAKE, gives=-20, anomaly="takes from 40, having judged 100"),
                a("commit", note="60 more are paid out"),
            ),
            final=LEFT,
            leaves=[(1, "alice", -20), (2, "bob", 100)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "No update is lost, and 120 are paid out of 100. At read committed each statement "
                "reads anew; what an earlier one saw is hearsay."
            ),
        ),
        Act(
            kind="other",
            title="the same at repeatable read",
            story="Both looks see the same row. If that is gone, the write is refused.",
            setup=ACCOUNTS,
            steps=(
                a("begin isolation level repeatable read"),
                a(READ, gives=100),
                b(GUARDED, gives=40),
                a(TAKE, fails="40001", note="nobody was waited for: the row has changed"),
                a("rollback", note="and now again, from the beginning"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 100)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, and A has to do everything again to be told that the money does not "
                "suffice. Any change of the row does this, also one that would not have mattered."
            ),
        ),
        Act(
            kind="other",
            title="locked before it is judged",
            story=(
                "The check takes the lock that the write will need. Nobody changes the row in "
                "between, at read committed."
            ),
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                a(LOCK, gives=100),
                b(GUARDED, waits=True, gives=[], note="judges again: 40 are not enough"),
                a(TAKE, gives=40),
                a("commit"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 100)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, and no error. B waits for as long as A thinks: a call to a card processor "
                "between the two statements holds up all who write the row for that long. Where "
                "the condition fits into the update, as in B's, there is nothing between."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer with expect",
            story=(
                "Over HTTP no transaction spans two requests, so what a page showed may always be "
                "old. transfer judges by the row that it has locked; expect refuses if the account "
                "has moved since it was read."
            ),
            steps=(
                a(SEEN, gives=[(100, 1)], keeps="seen version", note="shown on a page"),
                b(SPEND, gives=False),
                a(EXPECT, fails="version_conflict", note="30 would be there, but not what A saw"),
                a(
                    SPEND,
                    fails="insufficient_funds",
                    note="without expect: judged by what is there",
                ),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 40), ("savings", 100), ("shop", 60)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "Funds need no expectation, they are judged under the lock. Where a decision rests "
                "on more than funds, the version says whether it still does; on a busy account "
                "that refuses often, and somebody has to look again."
            ),
        ),
    ),
    lesson=(
        "Between a check and the write that rests on it there must be a lock, or nothing at all: "
        "lock and then read, or put the condition into the write and look at how many rows it "
        "found. A CHECK constraint (`balance >= 0`) is the last line, for the code that forgets."
    ),
    sources=(ACIDRAIN, AD_HOC, CRITIQUE, ISOLATION),
)
