"""Part `storm`: every order is sent by 32 senders at once, and each request is executed once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import httpx
import psycopg

from tests.conftest import Database
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.waiting import until
from tillroll import (
    AsyncBook,
    AsyncTillroll,
    Expectation,
    Receipt,
    RetryPolicy,
    TillrollError,
)
from tillroll.local.tally import Sent
from tillroll.models import AccountId

SENDERS = 32
AT_ONCE = 2  # keys: with more, senders wait for connections and no longer for each other
ONCE = RetryPolicy(max_attempts=1)
MODES = {"gateway": False, "repeating gateway": True}
SETTINGS = {"max_connections": "150"}

# Sequences count, since they do not roll back: the first statement of transfer advances one.
COUNTED = r"""
create sequence ledger_private.transfer_executions;
create sequence ledger_private.naive_executions;
grant usage on sequence ledger_private.transfer_executions to authenticated;
do $do$
begin
    execute regexp_replace(
        pg_get_functiondef('ledger.transfer'::regproc), '\mbegin\M',
        $$begin perform nextval('ledger_private.transfer_executions');$$
    );
end;
$do$;
"""
# The check that most tutorials print: a conflict that the application sees is raised as 40001.
NAIVE = """
create function ledger.naive_transfer(account_id uuid, expected_version bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform nextval('ledger_private.naive_executions');
    if not exists (
        select from ledger_private.balances as b
        where b.account_id = naive_transfer.account_id
        and b.version = naive_transfer.expected_version
    ) then
        raise exception 'the account has changed' using errcode = '40001';
    end if;
end;
$$;
grant execute on function ledger.naive_transfer to authenticated;
"""
STALE = 999_999  # a version that no account has


@dataclass
class Storm:
    """What the senders were told.

    Attributes:
        errors: By name, how often.
        firsts: How many senders of a key were told that theirs posted it.
        unlike: Keys whose receipts are not all the same.
    """

    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    firsts: dict[str, int] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)

    async def send(self, books: Sequence[AsyncBook], sent: Sent) -> None:
        """Let all of them send one order at once."""
        self.requests += len(books)
        answers = await asyncio.gather(*(self._answer(book, sent) for book in books))
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        for error in answers:
            if not isinstance(error, Receipt):
                self.errors[error] = self.errors.get(error, 0) + 1
        self.firsts[sent.key] = sum(not receipt.replayed for receipt in receipts)
        if len({replace(receipt, replayed=True) for receipt in receipts}) != 1:
            self.unlike.append(sent.key)

    @staticmethod
    async def _answer(book: AsyncBook, sent: Sent) -> Receipt | str:
        try:
            return await book.transfer(
                from_account_id=sent.giver,
                to_account_id=sent.taker,
                amount=sent.amount,
                idempotency_key=sent.key,
            )
        except TillrollError as error:
            return getattr(error, "code", None) or type(error).__name__


def run(run: Run) -> None:
    """Send a storm of duplicates, then one conflict through both kinds of gateway."""
    asyncio.run(_run(run))


async def _run(run: Run) -> None:
    keys = 10_000 if run.is_long else 100
    with stage(SETTINGS) as here:
        bank = open_bank(here.database, accounts=8, funds=1_000_000_000)
        with bank.database.connect() as owner:
            owner.execute(COUNTED)
            owner.execute(NAIVE)
        async with AsyncExitStack() as opened:
            over_http = {
                name: await opened.enter_async_context(_through(bank, retry_aborted))
                for name, retry_aborted in MODES.items()
            }
            direct = await opened.enter_async_context(AsyncTillroll.direct(bank.dsn(), retry=ONCE))
            books = [*over_http.values(), *[direct.book(bank.book_id)] * 2] * (SENDERS // 4)
            await _storm(run, bank, books, keys)
            await _conflicts(run, bank, over_http)
        for name, retry_aborted in MODES.items():
            await _naive(run, bank, name, retry_aborted)
        run.none("broken checks of verify_book", bank.broken())


async def _storm(run: Run, bank: Bank, books: Sequence[AsyncBook], keys: int) -> None:
    orders = []
    for number in range(keys):
        giver, taker = run.dice.sample(bank.accounts, 2)
        orders.append(Sent(f"storm-{number:06}", giver, taker, run.dice.randint(1, 100)))
    run.planned(f"{keys:,} orders × {SENDERS} senders: 8 over each gateway, 16 over psycopg")
    storm, waiting, before = Storm(), iter(orders), _executions(bank, "transfer")

    async def worker() -> None:
        for sent in waiting:
            await storm.send(run.dice.sample(books, SENDERS), sent)
            if len(storm.firsts) % 500 == 0:
                run.happened(f"{len(storm.firsts):,} orders sent {SENDERS} times each")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())

    executions, (rows, entries) = _executions(bank, "transfer") - before, _stored(bank)
    run.figure("duplicate", storm.requests - len(storm.firsts))
    run.figure("senders of one key", SENDERS)
    run.figure("requests", storm.requests)
    run.at_least("keys in the storm", 10_000, len(storm.firsts))
    _check_number(run, "rows of the storm's keys", keys, rows)
    _check_number(run, "entries of these", 2 * keys, entries)
    _check_number(run, "executions of the storm's requests", storm.requests, executions)
    moved: Counter[AccountId] = Counter()
    for sent in orders:
        moved.update({sent.giver: -sent.amount})
        moved.update({sent.taker: sent.amount})
    run.none("wrong balances after the storm of keys", bank.wrong(moved))
    run.none("errors", storm.errors)
    run.none("keys that none, or several, posted", [k for k, n in storm.firsts.items() if n != 1])
    run.none("keys with unequal receipts", storm.unlike)


async def _conflicts(run: Run, bank: Bank, books: Mapping[str, AsyncBook]) -> None:
    """A conflict over an account's version, and one over its lock: refused, and never repeated."""
    locked, moved = bank.accounts[:2]
    stale = [Expectation(moved, version=STALE)]

    async def ask(name: str, taker: AccountId, expect: list[Expectation] | None) -> str:
        try:
            await books[name].transfer(
                from_account_id=bank.world, to_account_id=taker, amount=1, expect=expect
            )
        except TillrollError as refused:
            return getattr(refused, "code", "")
        return "posted"

    for code, taker, expect in (("busy", locked, None), ("version_conflict", moved, stale)):
        before = _executions(bank, "transfer")
        with _locked(bank.database, locked):
            told = await asyncio.gather(*(ask(name, taker, expect) for name in books))
        run.happened(f"one conflict through each gateway, told {', '.join(told)}")
        run.check(f"told of it: {code}", bar=code, measured=told, ok=set(told) == {code})
        executions = _executions(bank, "transfer") - before
        _check_number(run, f"executions of {len(books)} calls: {code}", len(books), executions)


async def _naive(run: Run, bank: Bank, name: str, retry_aborted: bool) -> None:
    """The contrast: the client gives up after a second, which stops nobody."""
    body = {"account_id": str(bank.accounts[1]), "expected_version": STALE}
    before, answer = _executions(bank, "naive"), ""
    with gateway(bank.login(), retry_aborted=retry_aborted) as running:
        async with httpx.AsyncClient(timeout=1) as client:
            headers = {"Authorization": f"Bearer {bank.token()}"}
            with suppress(httpx.ReadTimeout):
                given = await client.post(
                    f"{running.url}/rpc/naive_transfer", json=body, headers=headers
                )
                answer = json.loads(given.text)["code"]
        at_parting = _executions(bank, "naive")
        if retry_aborted:
            until(lambda: _executions(bank, "naive") > at_parting + 100)
    until(bank.is_quiet)
    executions = _executions(bank, "naive") - before
    run.happened(f"{name}: the naive function was executed {executions:,} times for one request")
    run.figure(f"executions of the naive function, {name}", executions)
    if retry_aborted:
        run.check(
            f"naive function, {name}",
            bar="no answer, executed until the gateway is stopped",
            measured=f"{answer or 'no answer'}, {at_parting - before:,}, then {executions:,}",
            ok=not answer and executions > at_parting - before + 100,
        )
    else:
        run.check(
            f"naive function, {name}",
            bar="40001, executed once",
            measured=f"{answer}, {executions}",
            ok=(answer, executions) == ("40001", 1),
        )


@asynccontextmanager
async def _through(bank: Bank, retry_aborted: bool) -> AsyncIterator[AsyncBook]:
    """A client of a gateway of its own, which tries once."""
    with gateway(bank.login(), retry_aborted=retry_aborted) as running:
        async with AsyncTillroll.connect(
            running.url, "anon", access_token=bank.token(), rest_path="", retry=ONCE, timeout=60
        ) as client:
            yield client.book(bank.book_id)


def _locked(database: Database, account: Any) -> psycopg.Connection[Any]:
    """A transaction that holds the account's row for as long as it is open."""
    holder = psycopg.connect(database.dsn("supabase_admin"))
    holder.execute(
        "select from ledger_private.balances where account_id = %s for update", [account]
    )
    return holder


def _check_number(run: Run, name: str, bar: int, measured: int) -> None:
    run.figure(name, measured)
    run.check(name, bar=f"{bar:,}", measured=f"{measured:,}", ok=measured == bar)


def _executions(bank: Bank, function: Literal["transfer", "naive"]) -> int:
    """How often it was begun, whatever became of it."""
    with bank.database.connect() as owner:
        [(executions,)] = owner.execute(
            "select case when is_called then last_value else 0 end"
            f" from ledger_private.{function}_executions"
        ).fetchall()
    return int(executions)


def _stored(bank: Bank) -> tuple[int, int]:
    """Transactions that have a key, and the entries of those."""
    with bank.database.connect() as owner:
        [(rows, entries)] = owner.execute(
            "select count(distinct t.id), count(*) from ledger_private.transactions as t"
            " join ledger_private.entries as e on e.book_id = t.book_id"
            " and e.transaction_id = t.id"
            " where t.book_id = %s and t.idempotency_key is not null",
            [bank.book_id],
        ).fetchall()
    return int(rows), int(entries)
