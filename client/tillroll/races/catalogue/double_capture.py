"""A reservation is charged twice."""

from __future__ import annotations

from tillroll.races.catalogue.sources import ACIDRAIN
from tillroll.races.catalogue.tables import LEDGER_LEFT, SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

SETUP = """
create table holds (id int primary key, amount bigint not null, state text not null);
insert into holds values (1, 60, 'pending');
create table charges (hold_id int not null, amount bigint not null);
"""
STATE = "select state from holds where id = 1"
CHARGE = "insert into charges select id, amount from holds where id = 1"
DONE = "update holds set state = 'captured' where id = 1"
FINAL = """
select h.state, h.amount as reserved,
    (select coalesce(sum(c.amount), 0)::bigint from charges as c) as charged
from holds as h
"""
RULE = "no more is charged than was reserved"
CHECK = f"select charged <= reserved from ({FINAL}) as x"
CAPTURE = "select (t).kind from ledger.capture_hold(:book, :hold) as t"
HOLD = "select ledger.create_hold(:book, :checking, :shop, 60, id => :hold)"

RACE = Race(
    name="double-capture",
    title="Double capture of a hold",
    question="60 were reserved on a card. The shop's server is impatient and captures twice.",
    acts=(
        Act(
            kind="naive",
            title="look at the state, charge, mark as captured",
            story="The code refuses to capture what is not pending. Two requests look at once.",
            setup=SETUP,
            steps=(
                a("begin"),
                b("begin"),
                a(STATE, gives="pending"),
                b(STATE, gives="pending", note="for B, too"),
                a(CHARGE),
                a(DONE),
                b(CHARGE, anomaly="the second charge for one hold"),
                b(DONE, waits=True),
                a("commit"),
                b("commit"),
            ),
            final=FINAL,
            leaves=[("captured", 60, 120)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            verdict=(
                "120 were charged on a reservation of 60. B waited for the row only when it marked "
                "it, after the money had moved."
            ),
        ),
        Act(
            kind="other",
            title="the same at repeatable read",
            story="The second to mark the hold is refused, and its charge is undone with it.",
            setup=SETUP,
            steps=(
                a("begin isolation level repeatable read"),
                b("begin isolation level repeatable read"),
                a(STATE, gives="pending"),
                b(STATE, gives="pending"),
                a(CHARGE),
                a(DONE),
                b(CHARGE),
                b(DONE, waits=True, fails="40001"),
                a("commit"),
                b("rollback", note="the caller sees a failure, and will try again"),
            ),
            final=FINAL,
            leaves=[("captured", 60, 60)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right, as long as both write the same row. The caller is told `could not "
                "serialize access`, which says nothing of the hold: she has to repeat all of it to "
                "hear that it was captured."
            ),
        ),
        Act(
            kind="other",
            title="compare and set: update … where state = 'pending'",
            story=(
                "Take the state first, in one statement, and charge only where a row was changed."
            ),
            setup=SETUP,
            steps=(
                a("begin"),
                a(f"{DONE} and state = 'pending' returning id", gives=1),
                b(
                    f"{DONE} and state = 'pending' returning id",
                    waits=True,
                    gives=[],
                    note="not pending any more: nothing to charge",
                ),
                a(CHARGE),
                a("commit"),
            ),
            final=FINAL,
            leaves=[("captured", 60, 60)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right and cheap, for a capture of the whole. It has no place for captures in "
                "parts, and it says nothing of the balance from which the hold is paid."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.capture_hold",
            story=(
                "The account's balance is locked, then the hold, and its state is read after both. "
                "Captures in parts add up under the same lock."
            ),
            setup=HOLD,
            steps=(
                a("begin"),
                a(CAPTURE, gives="capture"),
                b(CAPTURE, waits=True, fails="hold_state"),
                a("commit"),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 40), ("savings", 100), ("shop", 60)],
            rule="every check of verify_book holds",
            check=SOUND,
            verdict=(
                "B hears what is the matter: the hold is not pending. With the same "
                "idempotency_key it would have been given A's receipt."
            ),
        ),
    ),
    lesson=(
        "A state that allows something once has to be taken, not looked at. Lock the row, read the "
        "state, act, and do all of it in one transaction."
    ),
    sources=(ACIDRAIN,),
)
