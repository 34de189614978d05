"""Serializable, and ON CONFLICT DO NOTHING: the second hole."""

from __future__ import annotations

from tillroll.races.catalogue.tables import SOUND
from tillroll.races.script import Act, Race, session

a, b = session("A"), session("B")

SETUP = """
create table guarantors (name text primary key);
insert into guarantors values ('alice'), ('bob');
"""
SURE = "insert into guarantors values ('{}') on conflict do nothing"
LOOK = "select name from guarantors where name = '{}'"
LEAVE = "delete from guarantors where name = '{}'"
FINAL = "select count(*)::int as guarantors from guarantors"
RULE = "somebody guarantees for the loan"
CHECK = "select count(*) > 0 from guarantors"
BOB = """
insert into auth.users (id) values (:bob);
select ledger.set_member(:book, :bob, 'owner');
"""
OWNERS = "select count(*)::int as owners from ledger.members where role = 'owner'"
OWNER = "select from ledger.members where book_id = :book and role = 'owner'"

RACE = Race(
    name="ssi-on-conflict",
    title="A hole in serializable: on conflict do nothing",
    question=(
        "Alice and Bob guarantee for a loan. Each may leave as long as the other stays. Both "
        "leave, at serializable."
    ),
    acts=(
        Act(
            kind="naive",
            title="serializable, and on conflict do nothing",
            story=(
                "Each makes sure that the other is in the list: if not, add her; if she is, "
                "nothing is to be done. That nothing was done is the answer to a read, and "
                "Postgres 17 and 18 do not record it."
            ),
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(SURE.format("bob"), note="0 rows: he is there"),
                b(SURE.format("alice"), note="0 rows: she is there"),
                a(LEAVE.format("alice")),
                b(LEAVE.format("bob"), anomaly="should have failed with 40001"),
                a("commit"),
                b("commit"),
            ),
            final=FINAL,
            leaves=[(0,)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            since=17,
            verdict=(
                "Both have left, each because the other was there. Seen on 17 and 18; on 15 one of "
                "them is refused, as it should be."
            ),
        ),
        Act(
            kind="other",
            title="serializable, and a select",
            story="The same question, asked as a question.",
            setup=SETUP,
            steps=(
                a("begin isolation level serializable"),
                b("begin isolation level serializable"),
                a(LOOK.format("bob"), gives="bob"),
                b(LOOK.format("alice"), gives="alice"),
                a(LEAVE.format("alice")),
                b(LEAVE.format("bob")),
                a("commit"),
                b("commit", fails="40001"),
            ),
            final=FINAL,
            leaves=[(1,)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Right, and hard to keep right: whoever shortens the select and an insert to one "
                "statement, as a reviewer may well ask, opens the hole."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.remove_member: a book keeps one owner",
            story=(
                "The same rule in the ledger. What changes the rules of a book takes the book's "
                "lock for itself, and the owners are counted after that. Idempotency keys, too, "
                "rest on a unique index and row locks, not on what serializable sees."
            ),
            setup=BOB,
            steps=(
                a("begin"),
                b("begin"),
                a("select role from ledger.remove_member(:book, :bob)", gives="owner"),
                b(
                    "select ledger.set_member(:book, :alice, 'viewer')",
                    waits=True,
                    fails="last_owner",
                ),
                a("commit"),
                b("rollback"),
            ),
            final=OWNERS,
            leaves=[(1,)],
            rule="a book has an owner, and every check of verify_book holds",
            check=f"select ({SOUND}) and exists ({OWNER})",
            verdict="The second waits, and is told that nobody would be left.",
        ),
    ),
    lesson=(
        "A level is a promise about reads that the server knows of. What must never happen should "
        "be kept from happening by something that is there at any level: a lock, a key, a check."
    ),
)
