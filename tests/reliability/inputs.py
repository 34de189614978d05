"""Payloads by chance at every exposed function, over HTTP.

First such as have to be refused, for what they say or for who says it: nothing may change. Then
anything whatever, where what happens to be right may succeed. No answer is a 5xx, unless the
catalogue says so, none tells of another tenant, and none shows how the server is made.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.callers import holder
from tests.conftest import Database, cluster_of
from tests.integration.test_bad_input import good_calls
from tests.reliability.payloads import Callers, Drawn, Payloads
from tests.reliability.proof import Run
from tests.reliability.stage import gateway
from tests.world import TABLES, Household, household

TOTAL = {"short": 1_500, "long": 100_000}
BATCH = {"short": 250, "long": 2_500}
SENDERS = 8
NOT_DONE = 501
"""What the local gateway answers where PostgREST can do more."""
ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSIDE = re.compile(
    r"traceback|psycopg|asyncpg|\.py\b|/usr/|/home/|pl/pgsql|postgresql://|password"
    r"|ledger_private|json_to_record|pgrst_source|set_config|line \d+ at"
)
"""What tells how the server is made."""
SECRET_WORDS = ("tourmaline", "zirconium")
Draw = Callable[[Random], Drawn]


@dataclass
class Tenant:
    """Somebody else's book, which nobody who calls may learn of.

    hanna may view one account of it, and no more.

    Attributes:
        hidden: Ids and words of it, by caller: hanna knows her account.
    """

    book_id: str
    swaps: dict[str, str]
    hidden: set[str]
    hidden_of_hanna: set[str]


def open_tenant(home: Household) -> Tenant:
    """trudy's book, with ids in the places of those of the household."""
    trudy = home.as_user("trudy")
    book_id = str(trudy.call("create_book", name="Trudy's", base_currency="EUR")["id"])
    book = {"book_id": book_id}
    ids = {
        name: str(trudy.call("open_account", **book, name=name, type=kind, currency="EUR")["id"])
        for name, kind in (("shown", "asset"), ("zirconium vault", "asset"), ("rest", "equity"))
    }
    shown, vault, rest = ids.values()
    for taker, words in ((shown, "pay"), (vault, "zirconium"), (vault, "more zirconium")):
        sides = {"from_account_id": rest, "to_account_id": taker}
        trudy.call("transfer", **book, **sides, amount=100, external_id=words)
    trudy.call(
        "create_hold",
        **book,
        account_id=vault,
        to_account_id=rest,
        amount=5,
        description="zirconium",
    )
    trudy.call("set_account_group", **book, name="zirconium", account_ids=[vault], min_total=1)
    viewer = {"user_id": home.user("hanna"), "access": "view"}
    trudy.call("set_holder", **book, account_id=shown, **viewer)
    stored = json.dumps(rows_of(home, book_id)).lower()
    hidden = {*ID.findall(stored), "zirconium"} - {home.user("hanna")}
    seen = home.as_user("hanna").query(
        "select t.id from ledger.transactions as t where t.book_id = %s", [book_id]
    )
    known = {book_id, shown, *(str(row["id"]) for row in seen)}
    accounts = home.accounts
    swaps = {home.book_id: book_id, accounts["bank"]: shown, accounts["cash"]: vault}
    return Tenant(book_id, swaps, hidden, hidden - known)


def rows_of(home: Household, book_id: str) -> list[Any]:
    """Everything that is stored of one book."""
    return [
        home.reader.query(
            f"select t::text from ledger_private.{table} as t"
            f" where t.{'id' if table == 'books' else 'book_id'} = %s order by 1",
            [book_id],
        )
        for table in TABLES
    ]


@dataclass
class Trial:
    """What came of the requests so far.

    Attributes:
        hidden: What a caller must not learn.
        retryable: Codes of the catalogue that are a 503.
        answers: How many, by status.
    """

    url: str
    payloads: Payloads
    hidden: Callable[[str], set[str]]
    retryable: set[str]
    answers: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    inside: Counter[str] = field(default_factory=Counter)
    formless: list[str] = field(default_factory=list)
    undone: int = 0

    async def send(self, draw: Draw, count: int, dice: Random, *, refused: bool) -> None:
        """Send so many, by several at a time."""
        queue = iter([draw(dice) for _ in range(count)])
        limits = httpx.Limits(max_connections=SENDERS)
        async with httpx.AsyncClient(base_url=self.url, timeout=60, limits=limits) as http:

            async def sender() -> None:
                for drawn in queue:
                    self.look(drawn, await _sent(http, drawn), refused=refused)

            async with asyncio.TaskGroup() as group:
                for _ in range(SENDERS):
                    group.create_task(sender())

    def look(self, drawn: Drawn, told: httpx.Response, *, refused: bool) -> None:
        """Judge an answer."""
        status, text = told.status_code, told.text.lower()
        self.answers[status] += 1
        code = _code(told)
        where = f"{drawn.who}: {drawn.method} {drawn.path[:99]} {drawn.body[:300]!r} → {status}"
        where += f" {told.text[:300]}"
        self.undone += status == NOT_DONE
        if status >= 500 and status != NOT_DONE and code not in self.retryable:
            self.broken.append(where)
        if refused and not 400 <= status < 500 and code not in self.retryable:
            self.accepted.append(where)
        if status >= 400 and code is None and drawn.method != "HEAD":
            self.formless.append(where)
        known = drawn.text
        secrets = self.hidden(drawn.who)
        found = {each for each in ID.findall(text) if each in secrets}
        found |= {word for word in SECRET_WORDS if word in secrets and word in text}
        if any(each not in known for each in found):
            self.leaks.append(where)
        for each in set(INSIDE.findall(text)) if status >= 400 else ():
            if each not in known:
                self.inside[f"{each} in {code}: {where}"] += 1


async def _sent(http: httpx.AsyncClient, drawn: Drawn) -> httpx.Response:
    headers = [(name.encode(), value.encode()) for name, value in drawn.headers.items()]
    return await http.request(drawn.method, drawn.path, content=drawn.body, headers=headers)


def _code(told: httpx.Response) -> str | None:
    """The code of an error's body, which has four keys."""
    try:
        body = told.json()
    except ValueError:
        return None
    keys = {"code", "details", "hint", "message"}
    return str(body["code"]) if isinstance(body, dict) and body.keys() >= keys else None


@contextmanager
def fresh() -> Iterator[Database]:
    """A migrated database."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    try:
        yield database
    finally:
        cluster.drop(database)


def furnish(home: Household) -> None:
    """Something of each kind in one book, a holder, and an account in another book."""
    home.fund(100_000)
    holder(home)
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    opened = alice.call("open_account", book_id=other, name="x", type="equity", currency="EUR")
    home.accounts["foreign"] = opened["id"]
    home.pay(alice, "bank", "cash", 1, description="tourmaline")


def run(run: Run) -> None:
    """What must be refused, then anything."""
    half, batch = TOTAL[run.size] // 2, BATCH[run.size]
    run.planned(f"{half:,} payloads that must be refused, state compared each {batch:,}")
    run.planned(f"{half:,} payloads of any kind, the other tenant compared each {batch:,}")
    with fresh() as database, household(database) as home:
        furnish(home)
        tenant = open_tenant(home)
        callers = Callers(home.users)
        del callers.users["trudy"]
        payloads = Payloads(home, good_calls(home), callers, tenant.swaps)
        ours = {*ID.findall(json.dumps(rows_of(home, home.book_id)).lower()), "tourmaline"}
        outsiders = {*callers.powerless, "mallory"}

        def hidden(who: str) -> set[str]:
            known = {home.users.get(who, "")}
            if who == "hanna":
                return tenant.hidden_of_hanna
            return (tenant.hidden | (ours if who in outsiders else set())) - known

        retryable = {
            str(row["code"])
            for row in home.reader.query(
                "select code from ledger_private.error_catalogue where http_status = 503"
            )
        }
        with gateway(database.dsn("authenticator")) as served:
            trial = Trial(served.url, payloads, hidden, retryable)
            _drive(run, trial, home, tenant, half, batch)
            run.check(
                "the gateway at the end",
                bar="running",
                measured="running" if served.process.poll() is None else "gone",
                ok=served.process.poll() is None,
            )
        broken = [
            row["check_name"]
            for row in home.reader.rows("verify_book", book_id=home.book_id)
            if row["ok"] is not True
        ]
    _judge(run, trial, half)
    run.none("broken checks of verify_book", broken)


def _drive(run: Run, trial: Trial, home: Household, tenant: Tenant, half: int, batch: int) -> None:
    changed, touched = [], []
    for first in range(0, half, batch):
        before = home.state()
        asyncio.run(trial.send(trial.payloads.refused, batch, run.dice, refused=True))
        if home.state() != before:
            changed.append(f"payloads {first:,} to {first + batch:,}")
        run.happened(f"{first + batch:,} of {half:,} that must be refused")
    theirs = rows_of(home, tenant.book_id)
    for first in range(0, half, batch):
        asyncio.run(trial.send(trial.payloads.wild, batch, run.dice, refused=False))
        if rows_of(home, tenant.book_id) != theirs:
            touched.append(f"payloads {first:,} to {first + batch:,}")
        run.happened(f"{first + batch:,} of {half:,} of any kind")
    run.none("refused, and yet something changed", changed)
    run.none("changes to another tenant's book", touched)


def _judge(run: Run, trial: Trial, half: int) -> None:
    answers = trial.answers
    run.figure("payloads", sum(answers.values()))
    run.figure("answers by status", ", ".join(f"{s}: {n:,}" for s, n in sorted(answers.items())))
    run.figure("not done by the local gateway (501)", trial.undone)
    run.at_least("payloads", 100_000, sum(answers.values()))
    run.at_least("functions", 36, len(trial.payloads.functions))
    findings = {
        "answers of 5xx that the catalogue does not know": trial.broken,
        "accepted, and had to be refused": trial.accepted,
        "errors without code, message, details and hint": trial.formless,
        "answers that tell of another tenant": trial.leaks,
        "errors that show how the server is made": [*trial.inside],
    }
    for name, found in findings.items():
        run.none(name, found)
    kept = {name: found for name, found in findings.items() if found}
    if kept:
        (run.folder / "findings.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False))
