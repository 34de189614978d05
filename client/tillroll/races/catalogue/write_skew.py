"""Two withdrawals from two accounts, each right by itself, break what holds for both together."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ADYA, CRITIQUE, JEPSEN
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT, SOUND
from tillroll.races.script import Act, Race, Step, session

a, b = session("A"), session("B")

TOTAL = "select sum(balance) from accounts"
FROM_ALICE = "update accounts set balance = balance - 150 where id = 1"
FROM_BOB = "update accounts set balance = balance - 150 where id = 2"
LOCK = "select id from accounts where id in (1, 2) order by id for no key update"
RULE = "the two together have zero or more"
HOLDS = "select sum(balance) >= 0 from accounts"
BROKEN = [(1, "alice", -50), (2, "bob", -50)]
KEPT = [(1, "alice", -50), (2, "bob", 100)]

# Each may be overdrawn by itself, as those of the other acts.
LIMITS = """
select ledger.set_balance_limits(:book, account_id, -500, null)
from unnest(array[:checking, :savings]::uuid[]) as account_id;
"""
GROUP = """
select (g).min_total
from ledger.set_account_group(:book, 'household', array[:checking, :savings]::uuid[], 0) as g
"""
SPEND_CHECKING = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 150) as t"
SPEND_SAVINGS = "select (t).replayed from ledger.transfer(:book, :savings, :world, 150) as t"


def _withdrawals(begin: str, last: Step) -> tuple[Step, ...]:
    return (
        a(begin),
        b(begin),
        a(TOTAL, gives=200, note="150 may go"),
        b(TOTAL, gives=200, note="150 may go"),
        a(FROM_ALICE),
        b(FROM_BOB, note="another row, so nobody waits"),
        a("commit"),
        last,
    )


RACE = Race(
    name="write-skew",
    title="Write skew on a joint floor",
    question=(
        "Alice and Bob have 100 each. Either may overdraw, as long as both together do not. Each "
        "withdraws 150 at the same moment."
    ),
    acts=(
        Act(
            kind="naive",
            title="add up, then withdraw",
            story="The back end looks at what both have together, and takes it from one of them.",
            setup=ACCOUNTS,
            steps=_withdrawals("begin", b("commit", anomaly="true of 200, which are not there")),
            final=LEFT,
            leaves=BROKEN,
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "Each has read what the other was about to write, and neither wrote what the other "
                "wrote. There is no row over which they could meet."
            ),
        ),
        Act(
            kind="other",
            title="the same at repeatable read",
            story=(
                "Snapshot isolation refuses the second writer of a row. Here each row has one "
                "writer."
            ),
            setup=ACCOUNTS,
            steps=_withdrawals(
                "begin isolation level repeatable read", b("commit", anomaly="nothing was refused")
            ),
            final=LEFT,
            leaves=BROKEN,
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict="It stops the lost update, and not this: write skew is what it lets through.",
        ),
        Act(
            kind="other",
            title="the same at serializable",
            story=(
                "Postgres keeps track of who has read what others write, and refuses one where two "
                "may not have an order to run in."
            ),
            setup=ACCOUNTS,
            steps=_withdrawals(
                "begin isolation level serializable",
                b("commit", fails="40001", note="and now again, from the beginning"),
            ),
            final=LEFT,
            leaves=KEPT,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, if every transaction that writes these rows is serializable: one that is "
                "not, is not seen. The price is 40001, here as late as at COMMIT, also between "
                "some that would not have harmed each other."
            ),
        ),
        Act(
            kind="other",
            title="both rows locked before adding up",
            story=(
                "Who withdraws locks all rows that the rule is about, in the order of their ids, "
                "and adds up in the next statement."
            ),
            setup=ACCOUNTS,
            steps=(
                a("begin"),
                b("begin"),
                a(LOCK, gives=[(1,), (2,)]),
                b(LOCK, waits=True, gives=[(1,), (2,)]),
                a(TOTAL, gives=200),
                a(FROM_ALICE),
                a("commit"),
                b(TOTAL, gives=50, note="150 are not there"),
                b("rollback"),
            ),
            final=LEFT,
            leaves=KEPT,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right at read committed, and no error. It costs a lock for each account that the "
                "rule is about, and every piece of code that withdraws has to know the rule."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.set_account_group",
            story=(
                "The joint floor has a row of its own. Every posting on a member locks it before "
                "the balances; the sum is read after."
            ),
            setup=LIMITS,
            steps=(
                a(GROUP, gives=0, note="once: the floor of both together"),
                a("begin"),
                a(SPEND_CHECKING, gives=False),
                b(
                    SPEND_SAVINGS,
                    waits=True,
                    fails="group_floor",
                    note="from and to other accounts, so it waited for the group",
                ),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", -50), ("savings", 100), ("shop", 150)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "B is told which rule it would break, once, at read committed. The price: postings "
                "on the members of a group go one after the other, so a group should be as small "
                "as its rule."
            ),
        ),
    ),
    lesson=(
        "A rule over several rows needs something that all who could break it write or lock: a row "
        "that stands for the rule. Serializable finds the conflict without one, but afterwards, "
        "and with an error that somebody has to repeat."
    ),
    sources=(CRITIQUE, ADYA, JEPSEN),
)
