"""Postgres shows nothing that is not committed, so an application has to commit half of it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN, HERMITAGE, ISOLATION, SEQUENCES
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT
from tillroll.races.script import Act, Race, session

a, b = session("transfer"), session("report")

TAKE = "update accounts set balance = balance - 60 where id = 1"
GIVE = "update accounts set balance = balance + 60 where id = 2"
TOTAL = "select sum(balance) from accounts"
RECEIPTS = "create sequence receipt_numbers;"
NUMBER = "select nextval('receipt_numbers')"
RULE = "every report gives what the two have together"

TRANSFER = """
select (t.entries)[1].version from ledger.transfer(:book, :checking, :savings, 60) as t
"""
BOTH = (
    "select sum(b.posted) from ledger.get_balances(:book, array[:checking, :savings]::uuid[]) as b"
)

RACE = Race(
    name="dirty-read",
    title="Dirty read",
    question=(
        "60 go from Alice to Bob, who have 200 together. Can a report see the moment when they "
        "have left and not arrived?"
    ),
    acts=(
        Act(
            kind="naive",
            title="a transfer in two calls",
            story=(
                "The back end sends two updates, one after the other, as a REST client does, or a "
                "library that commits by itself. Each is a transaction of its own."
            ),
            setup=ACCOUNTS,
            steps=(
                a(TAKE, note="committed by itself"),
                b(TOTAL, gives=140, keeps="report", anomaly="60 are nowhere"),
                a(GIVE, note="if the back end is still there to send it"),
                b(TOTAL, gives=200),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 160)],
            rule=RULE,
            check="select :report = 200",
            breaks=True,
            verdict=(
                "Not a dirty read by the book: what the report saw was committed. It is what a "
                "dirty read is feared for, a transfer seen half done, and if the back end dies "
                "between the calls it stays so."
            ),
        ),
        Act(
            kind="other",
            title="one transaction, read by READ UNCOMMITTED",
            story=(
                "The transfer is one transaction. The report asks for the level that permits dirty "
                "reads in the standard; in Postgres that is read committed under another name."
            ),
            setup=ACCOUNTS + RECEIPTS,
            steps=(
                a("begin"),
                a(NUMBER, gives=1, note="the number of the receipt"),
                a(TAKE),
                b("begin isolation level read uncommitted"),
                b(TOTAL, gives=200, keeps="first", note="the half that is done does not show"),
                a(GIVE),
                b(TOTAL, gives=200, keeps="second"),
                a("rollback", note="and it never happened"),
                b(TOTAL, gives=200, keeps="third"),
                b("commit"),
                b(
                    NUMBER,
                    gives=2,
                    note="but a sequence does not roll back: no receipt has number 1",
                ),
            ),
            final=LEFT,
            leaves=[(1, "alice", 100), (2, "bob", 100)],
            rule=RULE,
            check="select :first = 200 and :second = 200 and :third = 200",
            verdict=(
                "No level of Postgres shows what is not committed. The transaction costs a "
                "connection from its begin to its end, and over REST there is none across calls. "
                "What it does outside of tables, a number of a sequence as well as a mail, is "
                "seen at once and stays."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer",
            story=(
                "One call is one transaction: both entries, both balances and the receipt, or "
                "nothing. Receipt lines are numbered in the balance row, not by a sequence."
            ),
            steps=(
                a("begin"),
                a(TRANSFER, gives=2, note="the account's second line"),
                b(BOTH, gives=200, keeps="first", note="nothing to be seen"),
                a("rollback", note="the request is cut off"),
                b(BOTH, gives=200, keeps="second"),
                a(TRANSFER, gives=2, note="sent again: the second line, none is missing"),
                b(BOTH, gives=200, keeps="third"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 40), ("savings", 160), ("shop", 0)],
            rule=RULE,
            check="select :first = 200 and :second = 200 and :third = 200",
            verdict=(
                "All or nothing, without a transaction in the client. Numbers without gaps cost a "
                "lock: who posts next on the account waits for the one before."
            ),
        ),
    ),
    lesson=(
        "In Postgres you need not fear the level, you need to have the transaction: what belongs "
        "together has to be in one, and over HTTP that means in one function. Of 22 attacks that "
        "ACIDRain found in shops, five were due to the level; in the others the transaction was "
        "missing or too small. Sequences, mails and calls to others take no part in it: do them "
        "after the commit, or so that they may be in vain."
    ),
    sources=(ISOLATION, HERMITAGE, SEQUENCES, ACIDRAIN),
)
