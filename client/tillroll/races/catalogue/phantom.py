"""The balance is a sum of rows, and a row that is not there yet cannot be locked."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN, ISOLATION
from tillroll.races.catalogue.tables import ACCOUNTS, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

ENTRIES = """
create table entries (
    id int generated always as identity, account_id int not null, amount bigint not null
);
insert into entries (account_id, amount) values (1, 100);
"""
SUM = "select sum(amount) from entries where account_id = 1"
LOCKED_SUM = """
select sum(amount) from (select amount from entries where account_id = 1 for update) as e
"""
SPEND = "insert into entries (account_id, amount) values (1, -60)"
LOCK = "select id from accounts where id = 1 for no key update"
LEFT = "select amount from entries where account_id = 1 order by id"
RULE = "the account's entries add up to zero or more"
HOLDS = "select sum(amount) >= 0 from entries where account_id = 1"

TRANSFER = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 60) as t"
REGISTER = """
select e.version, e.amount, e.balance_after from ledger.entries as e
where e.book_id = :book and e.account_id = :checking order by e.version
"""

RACE = Race(
    name="phantom",
    title="Phantom",
    question=(
        "An append-only ledger keeps no balance: it is the sum of the entries. Alice's are 100, "
        "and she spends 60 twice at the same moment."
    ),
    acts=(
        Act(
            kind="naive",
            title="lock the entries, add them up, append",
            story=(
                "The entries are locked with FOR UPDATE before they are added up, so that the "
                "second one waits for the first."
            ),
            setup=ENTRIES,
            steps=(
                a("begin"),
                b("begin"),
                a(LOCKED_SUM, gives=100),
                b(LOCKED_SUM, waits=True, gives=100, anomaly="A's entry is there, and not in it"),
                a(SPEND),
                a("commit", note="60 are paid out"),
                b(SPEND),
                b("commit", note="60 more are paid out"),
            ),
            final=LEFT,
            leaves=[(100,), (-60,), (-60,)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "B did wait, and it did not help. FOR UPDATE locks the rows that the statement "
                "found when it began; after the wait it looks at those again, not for new ones."
            ),
        ),
        Act(
            kind="other",
            title="serializable",
            story=(
                "Postgres remembers what each transaction has looked for, not only what it has "
                "found, and refuses one where two may not have an order to run in."
            ),
            setup=ENTRIES,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(SUM, gives=100),
                b(SUM, gives=100),
                a(SPEND),
                b(SPEND, note="nobody waits"),
                a("commit"),
                b("commit", fails="40001", note="and now again, from the beginning"),
            ),
            final=LEFT,
            leaves=[(100,), (-60,)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, as long as everything that touches the entries is serializable, and who "
                "calls repeats on 40001, which comes as late as at COMMIT. Here even spends of two "
                "different customers can collide: without an index the query has looked at the "
                "whole table."
            ),
        ),
        Act(
            kind="other",
            title="lock the account, then add up",
            story=(
                "What is locked is a row that always exists: the account. The sum is a statement "
                "of its own, after the lock, with a snapshot that is newer than it."
            ),
            setup=ACCOUNTS + ENTRIES,
            steps=(
                a("begin"),
                b("begin"),
                a(LOCK, gives=1),
                a(SUM, gives=100),
                b(LOCK, waits=True, gives=1),
                a(SPEND),
                a("commit"),
                b(SUM, gives=40, note="a new statement, a new snapshot"),
                b("rollback", note="not enough"),
            ),
            final=LEFT,
            leaves=[(100,), (-60,)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right at read committed, and no error. All who append have to take the lock, "
                "and each adds up all entries of the account while the others wait: the older the "
                "account, the longer."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer",
            story=(
                "The entries are append-only here too, but the balance stands in a row of its own: "
                "that is what is locked, judged and written, together with the entry."
            ),
            steps=(
                a("begin"),
                a(TRANSFER, gives=False),
                b(TRANSFER, waits=True, fails="insufficient_funds"),
                a("commit"),
            ),
            final=REGISTER,
            leaves=[(1, 100, 100), (2, -60, 40)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "One row is locked, however many entries there are. The price is a number that "
                "is kept twice; each entry says what the balance was after it, and verify_book "
                "compares."
            ),
        ),
    ),
    lesson=(
        "A rule about a set of rows (a sum, a count, a limit per day) needs one row that stands "
        "for the set, locked before the set is read, in an earlier statement. Locking the set's "
        "rows themselves keeps nobody from adding to it."
    ),
    sources=(ACIDRAIN, ISOLATION),
)
