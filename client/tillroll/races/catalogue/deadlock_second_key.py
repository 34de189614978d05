"""Two batches, each sorted, cross each other in a second unique index."""

from __future__ import annotations

from tillroll.races.catalogue.sources import LOCKING
from tillroll.races.catalogue.tables import SOUND
from tillroll.races.script import Act, Race, session

a, b, c = session("A"), session("B"), session("C")

PAYMENTS = """
create table payments (id int primary key, bank_ref text unique not null, amount bigint not null);
"""
RULE = "all three payments that the bank has announced are there, once"
HOLDS = "select count(*) = 3 from payments"
ALL = [("X", 10), ("Y", 20), ("Z", 30)]
LEFT = "select bank_ref, amount from payments order by bank_ref"
TURN = "lock table payments in share row exclusive mode"


def _insert(number: int, ref: str, amount: int) -> str:
    return f"insert into payments values ({number}, '{ref}', {amount}) on conflict do nothing"


def _item(ref: str, giver: str, taker: str, amount: int) -> str:
    """A posting under the bank's reference; all are for one invoice, which need not be unique."""
    entries = (
        f"array[row({giver}, -{amount})::ledger.entry_input,"
        f" row({taker}, {amount})::ledger.entry_input]"
    )
    return f"row({entries}, 'bank-{ref}', null, null, 'invoice-7', null)::ledger.transaction_input"


def _batch(*items: str) -> str:
    return f"""
        select (r.receipt).replayed
        from ledger.post_transactions(:book, array[{", ".join(items)}]) as r order by r.ordinal
    """


X = _item("X", ":world", ":checking", 10)
Y = _item("Y", ":savings", ":shop", 20)
Z = _item("Z", ":world", ":savings", 30)
SHOWN = "ledger.post_transactions(:book, …) with "
FOUND = """
select t.idempotency_key, t.external_id from ledger.transactions as t
where t.external_id is not null order by t.idempotency_key
"""

RACE = Race(
    name="deadlock-second-key",
    title="Deadlock through a second unique key",
    question=(
        "Two workers import payments from files of the bank, and the files overlap. Each gives the "
        "payments ids of its own and inserts them in the order of those. Is sorting enough?"
    ),
    acts=(
        Act(
            kind="naive",
            title="sorted by id, on conflict do nothing",
            story=(
                "The id is unique, and so is the bank's reference, lest a payment be booked twice. "
                "Who comes second to a reference has nothing to do, but has to wait to know that."
            ),
            setup=PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(_insert(1, "X", 10)),
                b(_insert(2, "Y", 20)),
                a(_insert(4, "Y", 20), waits=True, note="since B's Y is gone again"),
                b(
                    _insert(3, "X", 10),
                    fails="40P01",
                    anomaly="the ids are in order, the references are not",
                ),
                b("rollback", note="and Z, the next in its file, was never sent"),
                a("commit"),
            ),
            final=LEFT,
            leaves=[("X", 10), ("Y", 20)],
            rule=RULE,
            check=HOLDS,
            breaks=True,
            verdict=(
                "Z is missing until somebody repeats the whole batch. Each unique index is a set "
                "of locks of its own: what is sorted for one is in random order for the other."
            ),
        ),
        Act(
            kind="other",
            title="sorted by the reference",
            story=(
                "Ids are given by one worker and never meet. References do: so the batches are "
                "sorted by those."
            ),
            setup=PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(_insert(1, "X", 10)),
                b(_insert(3, "X", 10), waits=True, note="A has booked it: nothing to do"),
                a(_insert(4, "Y", 20)),
                a("commit"),
                b(_insert(2, "Y", 20), note="nothing to do"),
                b(_insert(5, "Z", 30)),
                b("commit"),
            ),
            final=LEFT,
            leaves=ALL,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right, and no error. It costs a convention that all who insert have to keep, and "
                "it ends where both keys can meet, say the bank's reference and an order's number: "
                "no order of rows is sorted by both."
            ),
        ),
        Act(
            kind="other",
            title="one import at a time",
            story="Each batch begins with a lock on the table: it may be read, not written.",
            setup=PAYMENTS,
            steps=(
                a("begin"),
                b("begin"),
                a(TURN),
                b(TURN, waits=True),
                a(_insert(1, "X", 10)),
                a(_insert(4, "Y", 20)),
                a("commit"),
                b(_insert(2, "Y", 20), note="nothing to do"),
                b(_insert(3, "X", 10), note="nothing to do"),
                b(_insert(5, "Z", 30)),
                b("commit"),
            ),
            final=LEFT,
            leaves=ALL,
            rule=RULE,
            check=HOLDS,
            verdict=(
                "Right in any order and with any number of unique keys. The price: while one "
                "imports, nobody else inserts a payment, whichever it is."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.post_transactions",
            story=(
                "One key is unique: the idempotency key, here the bank's reference. A batch takes "
                "its keys in one statement, sorted. external_id, the caller's other reference, has "
                "an index that is not unique."
            ),
            steps=(
                a("begin"),
                a(_batch(X), shown=f"{SHOWN}bank-X", gives=False),
                b(
                    _batch(Y, X, Z),
                    shown=f"{SHOWN}bank-Y, bank-X, bank-Z",
                    waits=True,
                    gives=[(True,), (True,), (False,)],
                    note="Y and X are replayed",
                ),
                c(_batch(Y), shown=f"{SHOWN}bank-Y", gives=False, note="at once: B has not got Y"),
                a("commit"),
            ),
            final=FOUND,
            leaves=[("bank-X", "invoice-7"), ("bank-Y", "invoice-7"), ("bank-Z", "invoice-7")],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "B waits at the first key of its sorted batch with no other taken, and stands in "
                "nobody's way. The price: nothing keeps an external_id from being used twice."
            ),
        ),
    ),
    lesson=(
        "Sort a batch by the key that two batches can have in common, and take care that there is "
        "only one. Let the key that says what a thing is be unique, and give other references an "
        "index that is not."
    ),
    sources=(LOCKING,),
)
