"""The demo: a stack of its own, two people, a year of bookings, a race, and the checks."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from tillroll import AsyncBook, AsyncTillroll, money
from tillroll.assets import asset
from tillroll.local.checks import Finding, check_book, check_stranger
from tillroll.local.household import Booking, Household, PlannedAccount, exponents, read
from tillroll.local.race import RaceResult, plan, race, summarise
from tillroll.local.stack import Stack, StackInfo
from tillroll.local.tally import Sent, Tally
from tillroll.models import AccountId
from tillroll.retry import Clock, RetryPolicy

__all__ = ["AccountLine", "DemoReport", "Progress", "run"]

Progress = Callable[[str, int, int], None]

BATCH = 64
ENVELOPES = ("holiday", "car", "kitchen", "rainy-day")
FUNDS = 20_000


@dataclass(frozen=True)
class AccountLine:
    """An account in the end; `balance` in minor units, `shown` as people write it."""

    code: str
    type: str
    currency: str
    balance: int
    shown: str


@dataclass(frozen=True)
class DemoReport:
    """What the demo did and found; `ok` where every check holds."""

    ok: bool
    book_id: str
    bookings: int
    bookings_seconds: float
    accounts: tuple[AccountLine, ...]
    race: RaceResult
    checks: tuple[Finding, ...]
    seconds: float


class _CountingClock(Clock):
    """Every retry of a client waits once: that is where they are counted."""

    def __init__(self) -> None:
        self.waits = 0

    async def asleep(self, seconds: float) -> None:
        self.waits += 1
        await super().asleep(seconds)


def run(
    file: str | Path | None = None,
    *,
    calls: int = 4000,
    clients: int = 16,
    seed: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> DemoReport:
    """Start a stack in a temporary directory, do the main job in it, check, and stop it.

    Args:
        file: A CSV of bookings (see `household.read`); the one that ships where None.
        calls: Of the race; each fifth is sent twice.
        clients: Of the race, half of them for either person.
        seed: Of the race's amounts and pairs.
        progress: Called with a stage's name, how much is done, and of how much.

    Raises:
        HouseholdError: The file is wrong; nothing was started.
    """
    begun = time.monotonic()
    year = read(file or asset("sql/seed/household.csv"))
    progress("start the stack", 0, 1)
    with _temporary_folder() as folder, Stack(folder) as info:
        progress("start the stack", 1, 1)
        demo = _Demo(info, year, calls, clients, seed, progress)
        report = asyncio.run(demo.play(begun))
    return report


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tillroll-demo-") as name:
        try:
            yield Path(name)
        finally:
            # Where root's Postgres could not reach this folder, its data stand in another.
            data = Path(name) / "pgdata"
            if data.is_symlink():
                shutil.rmtree(data.resolve().parent, ignore_errors=True)


@dataclass
class _Person:
    user_id: str
    token: str
    supabase: AsyncClient


class _Demo:
    def __init__(
        self,
        info: StackInfo,
        year: Household,
        calls: int,
        clients: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self._info, self._year, self._progress = info, year, progress
        self._calls, self._clients, self._seed = calls, clients, seed
        self._certificates = ssl.create_default_context()  # read once, not once a client
        self._clock = _CountingClock()
        self._policy = RetryPolicy(clock=self._clock)
        self._ids: dict[str, AccountId] = {}
        self._tally = Tally()

    async def play(self, begun: float) -> DemoReport:
        async with AsyncExitStack() as closing:
            people = await self._sign_up("nora", "tariq", "stranger")
            for person in people:
                closing.push_async_callback(person.supabase.postgrest.aclose)
            nora, stranger = [
                await closing.enter_async_context(self._connect(people[n])) for n in (0, 2)
            ]
            base = Counter(each.currency for each in self._year.bookings).most_common(1)[0][0]
            book_id = (await nora.create_book(name="Household 2025", base_currency=base)).id
            owner = nora.book(book_id)
            await owner.set_member(user_id=people[1].user_id, role="editor")
            await self._open_accounts(owner)
            clients = [
                (await closing.enter_async_context(self._connect(people[n % 2]))).book(book_id)
                for n in range(self._clients)
            ]
            took = await self._book_year(clients)
            result = await self._race(owner, clients, base)
            self._progress("check", 0, 1)
            expected = {self._ids[code]: held for code, held in self._year.closing.items()}
            checks = await check_book(owner, self._tally, expected)
            checks.append(await check_stranger(people[2].supabase, stranger.book(book_id), owner))
            self._progress("check", 1, 1)
            accounts = await self._account_lines(owner)
        return DemoReport(
            ok=all(check.ok for check in checks),
            book_id=str(book_id),
            bookings=len(self._year.bookings),
            bookings_seconds=round(took, 3),
            accounts=accounts,
            race=result,
            checks=tuple(checks),
            seconds=round(time.monotonic() - begun, 3),
        )

    async def _sign_up(self, *names: str) -> list[_Person]:
        """Sign up over HTTP with the official client; each with a password nobody knows."""
        people = []
        for done, name in enumerate(names):
            self._progress("sign up", done, len(names))
            # One token serves for the demo's minute: no timer may outlive it.
            options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
            client = await acreate_client(self._info.api_url, self._info.anon_key, options)
            answer = await client.auth.sign_up(
                {"email": f"{name}@example.com", "password": secrets.token_urlsafe(18)}
            )
            if answer.user is None or answer.session is None:
                raise RuntimeError(f"{name} could not sign up: the stack wants a confirmation")
            people.append(_Person(answer.user.id, answer.session.access_token, client))
        self._progress("sign up", len(names), len(names))
        return people

    def _connect(self, person: _Person) -> AsyncTillroll:
        return AsyncTillroll.connect(
            self._info.api_url,
            self._info.anon_key,
            access_token=person.token,
            retry=self._policy,
            http_transport=httpx.AsyncHTTPTransport(verify=self._certificates),
        )

    async def _open_accounts(self, book: AsyncBook) -> None:
        accounts = list(self._year.accounts.values())
        for done, planned in enumerate(accounts):
            self._progress("open accounts", done, len(accounts))
            await self._open(book, planned)
        self._progress("open accounts", len(accounts), len(accounts))

    async def _open(self, book: AsyncBook, planned: PlannedAccount) -> AccountId:
        account = await book.open_account(
            name=planned.code.partition(":")[2].replace(":", ", ").replace("-", " "),
            type=planned.type,
            currency=planned.currency,
            code=planned.code,
            min_balance=planned.floor,
        )
        self._ids[planned.code] = account.id
        if account.min_balance is not None:
            self._tally.floors[account.id] = account.min_balance
        return account.id

    async def _book_year(self, clients: list[AsyncBook]) -> float:
        """Post the file, all clients at once; what could break a floor waits for its turn."""
        begun, done, total = time.monotonic(), 0, len(self._year.bookings)

        async def post(book: AsyncBook, bookings: list[Booking]) -> None:
            for each in bookings:
                giver, taker = self._ids[each.giver], self._ids[each.taker]
                await self._tally.send(
                    book,
                    Sent(f"line-{each.line}", giver, taker, each.amount),
                    effective_on=each.day,
                    description=each.description or None,
                )

        for batch in self._year.batches(BATCH):
            async with asyncio.TaskGroup() as group:
                for number, book in enumerate(clients):
                    group.create_task(post(book, batch[number :: len(clients)]))
            done += len(batch)
            self._progress("book the year", done, total)
        if self._tally.refused:
            self._tally.faults.append(f"refused, and should not be: {sorted(self._tally.refused)}")
        return time.monotonic() - begun

    async def _race(self, owner: AsyncBook, racers: list[AsyncBook], currency: str) -> RaceResult:
        """Race between envelopes that are filled for it; the rest of the book stays as it is."""
        prefix = "envelopes"
        while any(prefix in code for code in self._ids):
            prefix += "-2"
        source = await self._open(
            owner, PlannedAccount(f"equity:{prefix}", "equity", currency, None)
        )
        envelopes = []
        for name in ENVELOPES:
            planned = PlannedAccount(f"assets:{prefix}:{name}", "asset", currency, 0)
            envelopes.append(await self._open(owner, planned))
            await self._tally.send(owner, Sent(f"fill-{name}", source, envelopes[-1], FUNDS))

        waits, booked = self._clock.waits, len(self._tally.keys)
        self._tally.start_measuring()
        orders = plan(self._calls, envelopes, FUNDS, self._seed)
        seconds = await race(
            racers, orders, self._tally, lambda done: self._progress("race", done, self._calls)
        )
        return summarise(
            self._tally,
            clients=len(racers),
            calls=len(orders),
            accepted=len(self._tally.keys) - booked,
            seconds=seconds,
            retries=self._clock.waits - waits,
            deadlocks=await self._deadlocks(),
        )

    async def _deadlocks(self) -> int:
        async with await psycopg.AsyncConnection.connect(self._info.db_url) as connection:
            found = await connection.execute(
                "select deadlocks from pg_stat_database where datname = current_database()"
            )
            row = await found.fetchone()
        assert row is not None
        return int(row[0])

    async def _account_lines(self, book: AsyncBook) -> tuple[AccountLine, ...]:
        places = exponents()
        found = [account async for account in book.accounts()]
        return tuple(
            AccountLine(
                account.code or account.name,
                account.type,
                account.currency,
                account.posted,
                money.format(account.posted, places[account.currency]),
            )
            for account in sorted(found, key=lambda each: each.code or "")
        )
