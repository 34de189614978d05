"""A gateway repeats a refusal for ever, since it looks like an accident."""

from __future__ import annotations

from tillroll.races.catalogue.sources import RETRY_REPORT, RETRY_STORM
from tillroll.races.catalogue.tables import LEDGER_LEFT
from tillroll.races.script import Act, Race, session

client, gateway = session("client"), session("gateway")

SETUP = """
create table accounts (id int primary key, balance bigint not null, version int not null);
insert into accounts values (1, 100, 7);
create sequence executions;
create function pay(id int, amount bigint, seen int) returns void language plpgsql as $$
begin
    perform nextval('executions');
    update accounts as a set balance = a.balance - amount, version = a.version + 1
    where a.id = pay.id and a.version = seen;
    if not found then
        raise exception 'the account has changed' using errcode = '40001';
    end if;
end $$;
"""
STALE = "select pay(1, 60, 6)"
LEFT = "select balance, version, (select last_value from executions) as executions from accounts"
RULE = "one request is executed once"
CHECK = "select last_value = 1 from executions"
MOST = 1000

RACE = Race(
    name="endless-retry",
    title="The endless retry of 40001",
    question=(
        "A function answers that the caller's version is out of date, and chooses 40001 for it: "
        "serialization_failure, that fits. What does the gateway make of it?"
    ),
    acts=(
        Act(
            kind="naive",
            title="raise 40001, behind PostgREST 14",
            story=(
                "PostgREST 14 repeats what ends in 40001 or 40P01, at once and without a limit, "
                "also when the caller has gone. The lab plays that loop, and ends it after "
                f"{MOST:,} rounds."
            ),
            setup=SETUP,
            steps=(
                client(
                    "select balance, version from accounts where id = 1",
                    gives=[(100, 7)],
                    note="while the caller still believes in version 6",
                ),
                gateway.retries(
                    STALE, most=MOST, gives=MOST, anomaly="version 6 will not come back"
                ),
            ),
            final=LEFT,
            leaves=[(100, 7, MOST)],
            rule=RULE,
            check=CHECK,
            breaks=True,
            verdict=(
                "A refusal that is final was taken for one that passes. One project measured "
                "68,825 executions in the 125 seconds until a single request was answered with "
                "504, and the loop went on after that. Each such request keeps a connection of the "
                "pool."
            ),
        ),
        Act(
            kind="other",
            title="the same behind PostgREST 16, which repeats nothing",
            story="Later versions hand 40001 to the caller.",
            setup=SETUP,
            steps=(client(STALE, fails="40001"),),
            final=LEFT,
            leaves=[(100, 7, 1)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Executed once. But the caller sees HTTP 500 with a code that stands for `try "
                "again`, and a client that obeys it is the next loop."
            ),
        ),
        Act(
            kind="other",
            title="raise a code of one's own, behind PostgREST 14",
            story="Any class that stands for a decision: PT409 becomes HTTP 409.",
            setup=SETUP.replace("'40001'", "'PT409'"),
            steps=(gateway.retries(STALE, most=MOST, fails="PT409", note="an answer"),),
            final=LEFT,
            leaves=[(100, 7, 1)],
            rule=RULE,
            check=CHECK,
            verdict=(
                "Executed once, and 409 is right. It cures the codes that one raises oneself: a "
                "real 40001 or 40P01 is still repeated without a pause and without a limit."
            ),
        ),
        Act(
            kind="tillroll",
            title="ledger.transfer with expect, behind the same loop",
            story=(
                "The ledger raises neither 40001 nor 40P01: a wrong version is `version_conflict`, "
                "a conflict that may pass is `busy` or `serialization_conflict` with Retry-After, "
                "and repeating is the client's business, under its key and within a budget."
            ),
            steps=(
                gateway.retries(
                    "select ledger.transfer(:book, :checking, :shop, 60,"
                    " expect => array[row(:checking, 6, null, null)]::ledger.expectation[])",
                    most=MOST,
                    fails="version_conflict",
                    keeps="executions",
                ),
            ),
            final=LEDGER_LEFT,
            leaves=[("checking", 100), ("savings", 100), ("shop", 0)],
            rule=RULE,
            check="select :executions = 1",
            verdict="Executed once, whichever gateway stands in front, and the answer has a name.",
        ),
    ),
    lesson=(
        "SQLSTATEs of class 40 belong to the database: they mean that the same call may succeed if "
        "it is repeated. Never raise them for a decision of your own."
    ),
    sources=(RETRY_REPORT, RETRY_STORM),
)
