"""An outage of 29 minutes in which nine requests in ten fail, in virtual time.

Many clients call at a steady rate and do not wait for each other's answers; each is a process with
a retry budget of its own. The client is the real one down to httpx; the ledger behind it is a mock,
the one place where that is right: what is shown is what the client sends, and nobody has 29 minutes
for each way to fail. Half of the clients begin with the outage, the others have called before.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random

import httpx

from tests.reliability import virtual
from tests.reliability.proof import Run
from tillroll import AsyncTillroll
from tillroll.errors import OutcomeUnknown, TillrollError
from tillroll.retry import RetryPolicy

BEFORE, OUTAGE, AFTER = 60.0, 29 * 60.0, 60.0
ERRORS = 0.9
BAR = 1.1
ANSWERS: dict[str, tuple[int, str | None, bool]] = {
    "503 busy": (503, "busy", False),
    "500 40P01": (500, "40P01", False),
    "503 PGRST000": (503, "PGRST000", False),
    "503 PGRST001": (503, "PGRST001", True),
    "502 of a proxy": (502, None, True),
}
"""Status, code, and whether it may have happened all the same."""
SHORT = ("503 busy", "500 40P01", "connection refused", "read timeout")
KINDS = (*ANSWERS, "connection refused", "read timeout", "all of them")
NOWHERE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
current: ContextVar[Call] = ContextVar("call")


@dataclass
class Call:
    """One call of a client, and what became of it.

    Attributes:
        begun: Virtual seconds since the outage began; below zero: before it.
        sent: When its requests were, each.
        keys: The idempotency keys of its requests, or their whole bodies where it has none.
        unknown: After how many requests one of them was left without an answer; 0: none was.
        outcome: "done", or the name of the error.
    """

    name: str
    begun: float
    new: bool
    sent: list[float] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    unknown: int = 0
    outcome: str = ""
    ended: float = 0.0


@dataclass
class Ledger:
    """What stands behind the gateway: it posts each key once, and remembers."""

    kind: str
    dice: Random
    posted: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request as at this moment of the outage."""
        function = request.url.path.rpartition("/")[2]
        body = json.loads(request.content)
        call = current.get()
        call.sent.append(_now())
        call.keys.add(body.get("idempotency_key") or request.content.decode())
        await asyncio.sleep(self.dice.uniform(0.005, 0.02))
        if not 0 <= _now() < OUTAGE or self.dice.random() >= ERRORS:
            return httpx.Response(200, json=self._done(function, body))
        return await self._fail(function, body, request, call)

    async def _fail(
        self, function: str, body: dict[str, str], request: httpx.Request, call: Call
    ) -> httpx.Response:
        kind = self.kind if self.kind != "all of them" else self.dice.choice(KINDS[:-1])
        if kind == "connection refused":
            raise httpx.ConnectError("connection refused", request=request)
        if kind == "read timeout":
            self._perhaps(function, body, call)
            await asyncio.sleep(request.extensions["timeout"]["read"])
            raise httpx.ReadTimeout("no answer", request=request)
        status, code, maybe = ANSWERS[kind]
        if maybe:
            self._perhaps(function, body, call)
        if code is None:
            return httpx.Response(status, text="<h1>Bad Gateway</h1>")
        wait = {"Retry-After": "1"} if code == "busy" else {}
        told = {"code": code, "message": "x", "details": None, "hint": None}
        return httpx.Response(status, json=told, headers=wait)

    def _perhaps(self, function: str, body: dict[str, str], call: Call) -> None:
        """It happened or not, and nobody is told."""
        call.unknown = call.unknown or len(call.sent)
        if self.dice.random() < 0.5:
            self._done(function, body)

    def _done(self, function: str, body: dict[str, str]) -> dict[str, object]:
        moment = datetime.now(UTC).isoformat()
        if function == "get_balance":
            account = {"account_id": str(NOWHERE), "currency": "EUR", "version": 1}
            return {**account, "posted": 1, "held": 0, "available": 1}
        if function == "unlock_period":
            days = {"from_date": body["from_date"], "to_date": body["to_date"]}
            return {"book_id": str(NOWHERE), **days, "created_at": moment}
        key = body["idempotency_key"]
        replayed = key in self.posted
        self.posted.setdefault(key, body["description"])
        told = {"transaction_id": str(uuid.uuid5(NOWHERE, key)), "book_id": str(NOWHERE)}
        flags = {"replayed": replayed, "dry_run": False, "entries": []}
        days = {"posted_at": moment, "effective_on": "2026-11-22"}
        return {**told, **flags, **days, "kind": "transfer"}


def _now() -> float:
    """Virtual seconds since the outage began."""
    return asyncio.get_running_loop().time() - BEFORE


@dataclass
class Outage:
    """Clients before, in and after an outage of one kind.

    Attributes:
        clients: How many; the second half of them begins with the outage.
        rate: Of each, calls a second.
    """

    kind: str
    clients: int
    rate: float
    dice: Random
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.kind, Random(self.dice.random()))

    async def run(self) -> None:
        """Let every client call at its rate until the end."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(number, Random(self.dice.random())))

    async def _client(self, number: int, dice: Random) -> None:
        new = number >= self.clients // 2
        client = AsyncTillroll.connect(
            "http://ledger.test",
            "key",
            retry=RetryPolicy(clock=virtual.LoopClock(Random(dice.random()))),
            http_transport=httpx.MockTransport(self.ledger.answer),
        )
        async with client, asyncio.TaskGroup() as group:
            await asyncio.sleep(BEFORE if new else 0)
            while (at := _now()) < OUTAGE + AFTER:
                call = Call(f"{number}-{len(self.calls)}", at, new)
                self.calls.append(call)
                group.create_task(self._call(client, call, dice.random()))
                await asyncio.sleep(dice.uniform(0.5, 1.5) / self.rate)

    async def _call(self, client: AsyncTillroll, call: Call, kind: float) -> None:
        current.set(call)
        book = client.book(NOWHERE)
        try:
            if kind < 0.6:
                await book.transfer(
                    from_account_id=NOWHERE, to_account_id=OTHER, amount=1, description=call.name
                )
            elif kind < 0.8:
                await book.get_balance(account_id=NOWHERE)
            else:  # has no key: what was perhaps done must not be sent again
                day = date(2026, 1, 1)
                await book.unlock_period(from_date=day, to_date=day)
        except TillrollError as error:
            call.outcome = "unknown" if isinstance(error, OutcomeUnknown) else type(error).__name__
        else:
            call.outcome = "done"
        call.ended = _now()

    def within(self, *, new: bool | None = None) -> list[Call]:
        """The calls that began in the outage: of all clients, or of those that did, too, or not."""
        return [
            call
            for call in self.calls
            if 0 <= call.begun < OUTAGE and (new is None or call.new == new)
        ]

    def requests(self, *, new: bool | None = None) -> int:
        """How many were sent in the outage."""
        calls = (call for call in self.calls if new is None or call.new == new)
        return sum(0 <= at < OUTAGE for call in calls for at in call.sent)

    def amplification(self, *, new: bool | None = None) -> float:
        """Requests for each call."""
        return self.requests(new=new) / len(self.within(new=new))

    def unpaid(self) -> int:
        """Requests beyond the bar and the retries that the older clients had saved before."""
        saved = RetryPolicy().budget_burst * (self.clients // 2)
        return max(0, self.requests() - int(BAR * len(self.within())) - saved)

    def succeeded(self) -> float:
        """The part of the calls that began in the outage and were answered all the same."""
        calls = self.within()
        return sum(call.outcome == "done" for call in calls) / len(calls)

    def echo(self) -> float:
        """Seconds after the outage at which the last of its calls failed."""
        failed = [call.ended for call in self.calls if call.outcome != "done"]
        return max(0.0, max(failed, default=0.0) - OUTAGE)

    def late_failures(self) -> list[str]:
        """Calls that failed though they began after the outage."""
        return [c.name for c in self.calls if c.begun >= OUTAGE and c.outcome != "done"]

    def renamed(self) -> list[str]:
        """Calls that were sent under more than one key."""
        return [call.name for call in self.calls if len(call.keys) > 1]

    def careless(self) -> list[str]:
        """Calls without a key that were sent again after one had no answer."""
        keyless = [call for call in self.calls if any("from_date" in key for key in call.keys)]
        return [call.name for call in keyless if 0 < call.unknown < len(call.sent)]

    def denied(self) -> list[str]:
        """Calls that were said not to have happened, and have."""
        posted = set(self.ledger.posted.values())
        return [
            call.name
            for call in self.calls
            if call.outcome not in ("done", "unknown") and call.name in posted
        ]


def judge(run: Run, outages: Sequence[Outage]) -> None:
    """Report the figures of all kinds, and the checks."""
    run.figure("calls in outages", sum(len(each.within()) for each in outages))
    run.figure("requests in outages", sum(each.requests() for each in outages))
    for each in outages:
        run.figure(f"{each.kind}: requests a call", round(each.amplification(), 4))
    succeeded = min(each.succeeded() for each in outages)
    run.figure("calls that succeeded all the same, at least, %", round(100 * succeeded, 1))
    run.figure("last failure after the end, s", round(max(each.echo() for each in outages), 1))
    fresh = {each.kind: each.amplification(new=True) for each in outages}
    worst = max(fresh, key=lambda kind: fresh[kind])
    run.check(
        "requests a call, of clients that begin with the outage",
        bar=f"≤ {BAR}",
        measured=f"{fresh[worst]:.4f} at most ({worst})",
        ok=min(fresh.values()) > 1 and fresh[worst] <= BAR,
    )
    zeros: dict[str, Callable[[Outage], object]] = {
        f"requests of all clients beyond {BAR} a call and what was saved before": Outage.unpaid,
        "calls that began after the outage and failed": Outage.late_failures,
        "calls that were sent under two keys": Outage.renamed,
        "calls without a key that were sent again after no answer": Outage.careless,
        "calls that were said not to have happened, and have": Outage.denied,
    }
    for name, found in zeros.items():
        run.none(name, {each.kind: some for each in outages if (some := found(each))})


def run(run: Run) -> None:
    """Every kind of error in turn."""
    clients, rate = (8, 1.0) if run.is_long else (2, 0.25)
    outages = []
    for kind in KINDS if run.is_long else SHORT:
        run.planned(f"{kind}: {clients} clients, {rate:g} calls/s each, {OUTAGE / 60:g} minutes")
        outage = Outage(kind, clients, rate, Random(run.dice.random()))
        virtual.run(outage.run())
        run.happened(f"{kind}: {len(outage.calls):,} calls")
        outages.append(outage)
    judge(run, outages)
