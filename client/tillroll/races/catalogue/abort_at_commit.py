"""Every statement has succeeded, and then COMMIT fails."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ISOLATION
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b, mail = session("A"), session("B"), session("mail")

SETUP = ACCOUNTS + "create table mails (text text not null);"
SUM = "select sum(balance)::int from accounts"
SPEND = "update accounts set balance = balance - 150 where id = {}"
TELL = "insert into mails values ('{} has paid 150')"
SAID = (
    "select (select count(*) from mails) as told, (200 - sum(balance))::int as paid from accounts"
)
RULE = "who was told that she has paid has paid"
CHECK = f"select told * 150 = paid from ({SAID}) as x"
GROUP = "select ledger.set_account_group(:book, 'joint', array[:checking, :savings]::uuid[], 0);"
OVERDRAFT = """
select ledger.set_balance_limits(:book, :checking, -1000, null);
select ledger.set_balance_limits(:book, :savings, -1000, null);
"""
PAY = "select (t).replayed from ledger.transfer(:book, :{}, :{}, 150) as t"

RACE = Race(
    name="abort-at-commit",
    title="40001 at COMMIT",
    question=(
        "Alice and Bob share 200 and spend 150 each, at serializable. The back end sends a mail "
        "once the money has moved. Has it?"
    ),
    acts=(
        Act(
            kind="naive",
            title="tell the customer when the last statement has succeeded",
            story=(
                "Under serializable a transaction may be refused as late as in its COMMIT. Code "
                "that catches errors around the statements, or whose framework commits after the "
                "handler has answered, believes in success too early."
            ),
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(SUM, gives=200),
                b(SUM, gives=200),
                a(SPEND.format(1)),
                b(SPEND.format(2)),
                mail(TELL.format("alice")),
                mail(TELL.format("bob"), anomaly="before the commit"),
                a("commit"),
                b("commit", fails="40001"),
            ),
            final=SAID,
            leaves=[(2, 150)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            verdict=(
                "Bob has his mail, and his payment never was. The database is right, the world "
                "outside of it is not."
            ),
        ),
        Act(
            kind="other",
            title="the mail goes into the same transaction",
            story="What is to be told is a row of the transaction itself, sent after the commit.",
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(SUM, gives=200),
                b(SUM, gives=200),
                a(SPEND.format(1)),
                a(TELL.format("alice")),
                b(SPEND.format(2)),
                b(TELL.format("bob")),
                a("commit"),
                b("commit", fails="40001"),
            ),
            final=SAID,
            leaves=[(1, 150)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right. It costs a sender that reads the table and may send a mail twice, and B "
                "has to be repeated from its first statement: where the framework commits after "
                "the handler has answered, there is no place for that."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer under a joint floor",
            story=(
                "The group's row is locked by every posting of its members, at read committed. "
                "What is refused is refused in the call, by name; at COMMIT no check is left."
            ),
            setup=OVERDRAFT + GROUP,
            steps=(
                a("begin"),
                a(PAY.format("checking", "shop"), gives=False),
                b("begin"),
                b(
                    PAY.format("savings", "world"),
                    waits=True,
                    fails="group_floor",
                    note="from and to other accounts, so it waited for the group",
                ),
                a("commit"),
                b("rollback"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", -50), ("savings", 100), ("shop", 150)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "The answer of the call is the answer. The optimistic form, transfer_serializable, "
                "exists too; it may fail at COMMIT, and the contract says which gateways it is not "
                "for."
            ),
        ),
    ),
    lesson=(
        "At serializable, success is the answer to COMMIT and to nothing before it. Keep every "
        "effect inside the transaction until then, and have the loop that repeats stand outside."
    ),
    sources=(ISOLATION,),
)
