"""FOR UPDATE on an account stops everybody who inserts a row that refers to it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import LOCKING
from tillroll.races.catalogue.tables import ACCOUNTS, LEDGER_LEFT, LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b, c = session("A"), session("B"), session("notifier")

PAYMENTS = """
create table payments (account_id int not null references accounts, amount bigint not null);
create table notices (account_id int not null references accounts, words text not null);
"""
PAY_60 = "insert into payments values (1, 60)"
PAY_30 = "insert into payments values (1, 30)"
NOTICE = "insert into notices values (1, 'your statement is ready')"
FOR_UPDATE = "select balance from accounts where id = 1 for update"
NO_KEY = "select balance from accounts where id = 1 for no key update"
TAKE_60 = "update accounts set balance = balance - 60 where id = 1"
TAKE_30 = "update accounts set balance = balance - 30 where id = 1"
RULE = "both payments are booked: there is money for both"
HOLDS = "select count(*) = 2 from payments"

NOTICES = """
create table notices (
    book_id uuid not null, account_id uuid not null, words text not null,
    foreign key (book_id, account_id) references ledger_private.accounts (book_id, id)
);
grant insert on notices to authenticated;
"""
SPEND_60 = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 60) as t"
SPEND_30 = "select (t).replayed from ledger.transfer(:book, :checking, :shop, 30) as t"
LEDGER_NOTICE = "insert into notices values (:book, :checking, 'your statement is ready')"

RACE = Race(
    name="foreign-key-insert",
    title="FOR UPDATE against a foreign key",
    question=(
        "Alice has 100 and pays 60 and 30 at the same moment, while somebody else writes her a "
        "notice. Why should any of them fail?"
    ),
    acts=(
        Act(
            kind="naive",
            title="insert the payment, then lock with FOR UPDATE",
            story=(
                "The payment is written down first, then the account is locked and judged. An "
                "insert of a row that refers to an account locks that account too, FOR KEY SHARE, "
                "so that it is not deleted meanwhile; several may hold that at once."
            ),
            setup=ACCOUNTS + PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(PAY_60),
                b(PAY_30, note="both now share the account's key"),
                a(
                    FOR_UPDATE,
                    waits=True,
                    gives=100,
                    note="had waited for the key lock of B's insert",
                ),
                b(
                    FOR_UPDATE,
                    fails="40P01",
                    anomaly="one account, one order, and yet a deadlock",
                ),
                c(NOTICE, waits=True, note="has nothing to do with the money, and had to wait"),
                a(TAKE_60),
                a("commit"),
                b("rollback"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 40), (2, "bob", 100)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "FOR UPDATE is the lock of who wants to delete the row or change its key, and so "
                "it stands against every foreign key. Two that first insert and then lock "
                "deadlock each time they meet; inserts from elsewhere wait for the commit."
            ),
        ),
        Act(
            kind="other",
            title="the same with FOR NO KEY UPDATE",
            story="The lock that an UPDATE of the balance takes anyway: it leaves the key alone.",
            setup=ACCOUNTS + PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(PAY_60),
                b(PAY_30),
                a(NO_KEY, gives=100),
                b(NO_KEY, waits=True, gives=40, note="enough for 30"),
                c(NOTICE, note="at once"),
                a(TAKE_60),
                a("commit"),
                b(TAKE_30),
                b("commit"),
            ),
            final=LEFT,
            leaves=[(1, "alice", 10), (2, "bob", 100)],
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Both are booked and the notice did not wait. The price: new rows that refer to "
                "the account are no longer kept out. Code that counts them under the lock, say "
                "payments of a day, has relied on the stronger lock, perhaps unknowingly."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer",
            story=(
                "The money stands in a row beside the account's, and that is locked FOR NO KEY "
                "UPDATE. The row that other tables refer to is not touched by a posting."
            ),
            setup=NOTICES,
            steps=(
                a("begin"),
                a(SPEND_60, gives=False),
                b(SPEND_30, waits=True, gives=False),
                c(LEDGER_NOTICE, note="at once"),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 10), ("savings", 100), ("shop", 90)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "Your own tables may refer to accounts, and neither they nor the postings wait for "
                "each other. Two rows for an account instead of one is what that costs."
            ),
        ),
    ),
    lesson=(
        "Write FOR NO KEY UPDATE where you mean to change a balance; FOR UPDATE is for deleting "
        "and for changing keys. And lock before you insert what refers to the row: a lock that is "
        "taken weak and then made stronger is a deadlock in waiting."
    ),
    sources=(LOCKING,),
)
