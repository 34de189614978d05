"""The books of a month are closed while somebody still writes into it."""

from __future__ import annotations

from tillroll.races.catalogue.sources import AD_HOC
from tillroll.races.catalogue.tables import SOUND
from tillroll.races.script import Act, Race, session

a, b, c = session("A"), session("B"), session("C")

SETUP = """
create table months (month text primary key, closed boolean not null, reported bigint);
insert into months values ('2026-01', false, null);
create table sales (month text not null, amount bigint not null);
insert into sales values ('2026-01', 100);
"""
IS_CLOSED = "select closed from months where month = '2026-01'"
SELL = "insert into sales values ('2026-01', 60)"
REPORT = "select sum(amount)::bigint from sales where month = '2026-01'"
CLOSE = "update months set closed = true, reported = :total where month = '2026-01'"
FINAL = """
select m.month, m.closed, m.reported,
    (select sum(s.amount)::bigint from sales as s where s.month = m.month) as sold
from months as m
"""
RULE = "what was reported for a closed month is what stands in it"
CHECK = f"select not closed or reported = sold from ({FINAL}) as x"
LOCK = "select from_date from ledger.lock_period(:book, '2026-01-01', '2026-01-31')"
SELL_SQL = (
    "select (t).replayed from ledger.transfer(:book, :checking, :shop, 60,"
    " effective_on => '2026-01-15') as t"
)
ELSEWHERE = "select (t).replayed from ledger.transfer(:book, :world, :savings, 5) as t"

RACE = Race(
    name="period-lock",
    title="A posting slips past a period lock",
    question=(
        "January is closed and its total goes to the tax office. Can a January sale appear "
        "afterwards?"
    ),
    acts=(
        Act(
            kind="naive",
            title="look whether the month is open, then insert",
            story=(
                "Each sale looks at the month's flag first. Closing sets the flag and adds up. "
                "Each alone is right."
            ),
            setup=SETUP,
            steps=(
                a("begin"),
                a(IS_CLOSED, gives=False, note="still open"),
                b("begin"),
                b(REPORT, gives=100, keeps="total"),
                b(CLOSE),
                b("commit", note="100 are reported"),
                a(SELL, anomaly="into a month that is closed"),
                a("commit"),
            ),
            final=FINAL,
            leaves=[("2026-01", True, 100, 160)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            verdict=(
                "The check was right when it was made and wrong when it counted. A rule that "
                "stands in another row is out of date by the commit, unless both sides lock "
                "something."
            ),
        ),
        Act(
            kind="other",
            title="the same at serializable",
            story=(
                "A read what B has written and wrote what B has read: there is no order in which "
                "both could have run one after the other, and Postgres finds that out."
            ),
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                a(IS_CLOSED, gives=False),
                b("begin isolation level serializable"),
                b(REPORT, gives=100, keeps="total"),
                b(CLOSE),
                b("commit"),
                a(SELL, fails="40001"),
                a("rollback", note="and again: now it reads that the month is closed"),
            ),
            final=FINAL,
            leaves=[("2026-01", True, 100, 100)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right, if every program that touches these tables runs at serializable; one that "
                "does not is not seen. And every sale of the month is a candidate for 40001 while "
                "somebody adds it up."
            ),
        ),
        Act(
            kind="other",
            title="every sale locks the month's row: for share",
            story="Sales share a lock on the month, closing needs the row for itself.",
            setup=SETUP,
            steps=(
                a("begin"),
                a(f"{IS_CLOSED} for share", gives=False),
                b("begin"),
                b("select from months where month = '2026-01' for update", waits=True),
                a(SELL),
                a("commit"),
                b(REPORT, gives=160, keeps="total"),
                b(CLOSE),
                b("commit"),
            ),
            final=FINAL,
            leaves=[("2026-01", True, 160, 160)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right. But each sale now writes a lock into one row that all of them share, and a "
                "steady stream of sales can keep the closing out for long."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.lock_period",
            story=(
                "Every posting takes a shared advisory lock on its book, and what changes the "
                "rules takes it exclusively: no row is written for it. The period is read after "
                "the lock."
            ),
            steps=(
                a("begin"),
                a(SELL_SQL, gives=False),
                b(LOCK, waits=True, note="closes once A's sale is in"),
                c(
                    ELSEWHERE,
                    waits=True,
                    gives=False,
                    note="not of January, and yet behind the closing",
                ),
                a("commit"),
                a(SELL_SQL, fails="period_locked"),
            ),
            final="select from_date::text, to_date::text from ledger.periods",
            leaves=[("2026-01-01", "2026-01-31")],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "Whoever is first is in, whoever is second is told; two sales do not meet in this "
                "lock. The price: it is a queue, so the closing is never kept out, but while it "
                "waits for those that have begun, all who come later wait behind it."
            ),
        ),
    ),
    lesson=(
        "To check a rule and to change it are two sides of one lock. Give both sides something in "
        "common that they take first, and read the rule after it."
    ),
    sources=(AD_HOC,),
)
