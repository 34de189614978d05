"""Part `unknown`: the answer is cut after the commit, and the call sent again under its key."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.reliability.proof import Run
from tests.reliability.proxy import Fault, Http, Kind, Plan, Postgres, Proxy, Struck
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.waiting import until
from tillroll import AsyncBook, AsyncTillroll, OutcomeUnknown, RetryPolicy
from tillroll.models import (
    AccountId,
    EntryInput,
    Hold,
    PostingResult,
    Receipt,
    TransactionInput,
    parse,
)

ONCE = RetryPolicy(max_attempts=1)
CUTS: tuple[Kind, ...] = ("cut", "reset", "half-close")
WORKERS = 12
_KEY = re.compile(rb'(unknown-[0-9a-f]{16})|"id": ?"([0-9a-f-]{36})"')
_MODELS: dict[str, type[Any]] = {"create_hold": Hold, "post_transactions": PostingResult}


@dataclass(frozen=True)
class Call:
    """One call of the API, under a key of its own.

    Attributes:
        moved: What it adds to which balance, together with what was done to prepare it.
    """

    function: str
    key: str
    arguments: dict[str, Any]
    moved: dict[AccountId, int]

    async def send(self, book: AsyncBook) -> object:
        """Send it once more."""
        return await getattr(book, self.function)(**self.arguments)

    def read(self, answer: bytes) -> object:
        """What the client would have made of the answer that it never got."""
        begins = re.search(rb'\[?\{"(?:transaction_id|ordinal|id)":', answer)
        assert begins, answer
        row, _ = json.JSONDecoder().raw_decode(answer[begins.start() :].decode(errors="replace"))
        model = _MODELS.get(self.function, Receipt)
        return [parse(model, each) for each in row] if isinstance(row, list) else parse(model, row)


@dataclass
class Cutting:
    """Cuts every answer that a posting gets, and keeps what was in it."""

    run: Run
    bank: Bank
    calls: int
    opened: AsyncExitStack
    answers: dict[str, bytes] = field(default_factory=dict)
    struck: Counter[Kind] = field(default_factory=Counter)

    async def before(self, *, retry_aborted: bool) -> AsyncBook:
        """A client whose answers are cut before it, on their way from a gateway."""
        plan = self._plan("before a repeating gateway" if retry_aborted else "before a gateway")
        proxy = await self._proxy(await self._gateway(retry_aborted=retry_aborted), Http, plan)
        return await self._book(self._over_http(proxy.url))

    async def behind(self) -> AsyncBook:
        """A client whose answers are cut behind its gateway, on their way from Postgres."""
        proxy = await self._proxy(self.bank.database.server.port, Postgres, Plan())
        port = await self._gateway(proxy.port, retry_aborted=True)
        # Only now: the gateway has read the schema by this time.
        proxy.plan = Plan(otherwise=Fault("cut", within=b"COMMIT"))
        self.run.planned("behind a repeating gateway: every answer to a COMMIT is cut")
        return await self._book(self._over_http(f"http://127.0.0.1:{port}"))

    async def direct(self) -> AsyncBook:
        """A client without a gateway, whose answers are cut on their way from Postgres."""
        plan = Plan(otherwise=Fault("cut", within=b'"transaction_id"'))
        proxy = await self._proxy(self.bank.database.server.port, Postgres, plan)
        self.run.planned("psycopg: every answer that holds a receipt is cut")
        return await self._book(AsyncTillroll.direct(self.bank.dsn(proxy.port), retry=ONCE))

    async def whole(self) -> AsyncBook:
        """A client whose answers come: as programs do, it repeats what a closed line has eaten."""
        port = await self._gateway(retry_aborted=False)
        return await self._book(self._over_http(f"http://127.0.0.1:{port}", RetryPolicy()))

    def _plan(self, name: str) -> Plan:
        """All are cut: before the first byte, or in the middle of the head or of the body."""
        dice = self.run.dice
        faults = {
            number: Fault(dice.choice(CUTS), after=dice.choice((0, dice.randrange(1, 300))))
            for number in range(self.calls)
        }
        plan = Plan(faults, otherwise=Fault("cut"))
        self.run.planned(f"{name}, by exchange: {plan}")
        return plan

    async def _gateway(self, port: int | None = None, *, retry_aborted: bool) -> int:
        processes = self.opened.enter_context(ExitStack())
        running = await asyncio.to_thread(
            processes.enter_context,
            gateway(self.bank.login(port), retry_aborted=retry_aborted),
        )
        return int(running.url.rsplit(":", 1)[1])

    async def _proxy(self, port: int, framing: Any, plan: Plan) -> Proxy:
        return await self.opened.enter_async_context(Proxy(port, framing, plan, self._keep))

    def _over_http(self, url: str, retry: RetryPolicy = ONCE) -> AsyncTillroll:
        token = self.bank.token()
        return AsyncTillroll.connect(url, "anon", access_token=token, rest_path="", retry=retry)

    async def _book(self, client: AsyncTillroll) -> AsyncBook:
        return (await self.opened.enter_async_context(client)).book(self.bank.book_id)

    def _keep(self, struck: Struck) -> None:
        found = _KEY.search(struck.request)
        assert found, struck.request
        self.answers[(found[1] or found[2]).decode()] = struck.answer
        self.struck[struck.fault.kind] += 1
        if len(self.answers) % 500 == 0:
            self.run.happened(f"{len(self.answers):,} answers cut after their commit")


@dataclass
class Verdict:
    """What was not as it has to be, by key."""

    answered: list[str] = field(default_factory=list)
    keyless: list[str] = field(default_factory=list)
    not_first: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)


def run(run: Run) -> None:
    """Cut the answers of every function that posts, and of those above all of transfers."""
    asyncio.run(_run(run))


async def _run(run: Run) -> None:
    transfers, behind, each = (10_000, 1_000, 250) if run.is_long else (150, 20, 6)
    with stage() as here:
        bank = open_bank(here.database, accounts=8, funds=10_000_000)
        async with AsyncExitStack() as opened:
            cutting = Cutting(run, bank, transfers, opened)
            whole = await cutting.whole()
            fronts = [await cutting.before(retry_aborted=mode) for mode in (False, True)]
            backs = [await cutting.behind(), await cutting.direct()]
            work = [
                *((call, fronts) for call in _transfers(bank, run.dice, transfers)),
                *((call, backs) for call in _transfers(bank, run.dice, behind)),
                *((call, fronts) for call in await _others(bank, whole, run.dice, each)),
            ]
            before = _stored(bank)
            run.dice.shuffle(work)
            verdict = await _send_all(run, work, whole, cutting.answers)
        until(bank.is_quiet)
        for kind in CUTS:
            run.figure(kind, cutting.struck[kind])
        stored = _stored(bank) - before
        _check(run, stored, [call for call, _ in work], cutting.answers, verdict)
        moved: Counter[AccountId] = Counter()
        for call, _ in work:
            moved.update(call.moved)
        run.none("wrong balances", bank.wrong(moved))
        run.none("broken checks of verify_book", bank.broken())


async def _send_all(
    run: Run,
    work: Sequence[tuple[Call, Sequence[AsyncBook]]],
    whole: AsyncBook,
    answers: dict[str, bytes],
) -> Verdict:
    verdict, waiting = Verdict(), iter(enumerate(work))

    async def worker() -> None:
        for number, (call, books) in waiting:
            try:
                await call.send(books[number % len(books)])
                verdict.answered.append(call.key)
            except OutcomeUnknown as unknown:
                if call.key not in unknown.keys:
                    verdict.keyless.append(call.key)
            if call.key not in answers:
                continue
            first, again = call.read(answers[call.key]), await call.send(whole)
            if _is_replay(first):
                verdict.not_first.append(call.key)
            if _as_replay(first) != again:
                verdict.unlike.append(call.key)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(worker())
    return verdict


def _check(
    run: Run,
    stored: Counter[str],
    calls: Sequence[Call],
    answers: dict[str, bytes],
    verdict: Verdict,
) -> None:
    keys = {call.key for call in calls}
    functions = sorted({call.function for call in calls})
    for function in functions:
        run.figure(f"cut: {function}", sum(call.function == function for call in calls))
    run.at_least("answers cut after the commit", 10_000, len(answers))
    run.none("never cut", [call.key for call in calls if call.key not in answers])
    run.none("answered though cut", verdict.answered)
    run.none("unknown without its key", verdict.keyless)
    run.none("a first answer that says replayed", verdict.not_first)
    run.none("replays unlike the first answer", verdict.unlike)
    run.none("not there exactly once", [key for key in keys if stored[key] != 1])
    run.none("there under a key of nobody", sorted(stored.keys() - keys))


def _stored(bank: Bank) -> Counter[str]:
    """How often each key is there, with all of its entries; of a hold, its id."""
    with bank.database.connect() as owner:
        rows = owner.execute(
            "select idempotency_key from ledger_private.transactions as t where book_id = %(book)s"
            " and (select count(*) from ledger_private.entries as e"
            "      where e.book_id = t.book_id and e.transaction_id = t.id) in (2, 4)"
            " union all select id::text from ledger_private.holds where book_id = %(book)s",
            {"book": bank.book_id},
        ).fetchall()
    return Counter(key for (key,) in rows)


def _transfers(bank: Bank, dice: Random, count: int) -> Iterator[Call]:
    for _ in range(count):
        pair, amount = _pair(bank, dice), dice.randint(1, 100)
        moved = {pair["from_account_id"]: -amount, pair["to_account_id"]: amount}
        yield _keyed("transfer", dice, moved, **pair, amount=amount)


async def _others(bank: Bank, book: AsyncBook, dice: Random, each: int) -> list[Call]:
    """This many calls of each of the other functions, with what they need already there."""
    made: list[Call] = []
    dollars = await book.open_account(name="dollars", type="asset", currency="USD")
    for _ in range(each):
        pair, amount = _pair(bank, dice), dice.randint(1, 100)
        giver, taker = pair["from_account_id"], pair["to_account_id"]
        entries = [EntryInput(giver, -amount), EntryInput(taker, amount)]
        moved = {giver: -amount, taker: amount}
        hold = {"account_id": giver, "to_account_id": taker, "amount": amount}
        held = await book.create_hold(**hold)
        paid = await book.transfer(**pair, amount=amount)
        item = _key(dice)
        new_id = uuid.UUID(int=dice.getrandbits(128), version=4)
        made += [
            Call(
                "post_transactions",
                item,
                {"transactions": [TransactionInput(entries, idempotency_key=item)]},
                moved,
            ),
            Call("create_hold", str(new_id), {**hold, "id": new_id}, {}),
            _keyed("post_transaction", dice, moved, entries=entries),
            _keyed("transfer_up_to", dice, moved, **pair, amount=amount),
            _keyed("capture_hold", dice, moved, hold_id=held.id),
            _keyed("reverse_transaction", dice, {}, transaction_id=paid.transaction_id),
            _keyed(
                "exchange",
                dice,
                {giver: -amount},
                from_account_id=giver,
                to_account_id=dollars.id,
                sell_amount=amount,
                buy_amount=amount + 1,
            ),
        ]
    return made


def _keyed(function: str, dice: Random, moved: dict[AccountId, int], **arguments: Any) -> Call:
    key = _key(dice)
    return Call(function, key, {**arguments, "idempotency_key": key}, moved)


def _key(dice: Random) -> str:
    return f"unknown-{dice.getrandbits(64):016x}"


def _pair(bank: Bank, dice: Random) -> dict[str, Any]:
    giver, taker = dice.sample(bank.accounts, 2)
    return {"from_account_id": giver, "to_account_id": taker}


def _as_replay(answer: object) -> object:
    """The same answer to a repetition; a hold has no word for that."""
    if isinstance(answer, Receipt):
        return replace(answer, replayed=True)
    if isinstance(answer, PostingResult):
        assert answer.receipt is not None
        return replace(answer, receipt=replace(answer.receipt, replayed=True))
    if isinstance(answer, list):
        return [_as_replay(each) for each in answer]
    return answer


def _is_replay(answer: object) -> bool:
    return not isinstance(answer, Hold) and _as_replay(answer) == answer
