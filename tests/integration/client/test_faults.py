"""Answers that are lost, late or not the ledger's: what happened once stays once."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.clock import VirtualClock
from tests.integration.client.conftest import ANON_KEY, Clients, Home
from tests.integration.client.proxy import Proxy
from tillroll import (
    AsyncTillroll,
    InsufficientFunds,
    InvalidResponse,
    NoAnswer,
    OutcomeUnknown,
    RetryPolicy,
    Tillroll,
    Unauthenticated,
    Unreachable,
)
from tillroll.server import free_port

LOST = ["cut", "half", "hang", "gateway", "captive"]


@pytest.mark.parametrize("fault", LOST)
def test_a_transfer_whose_answer_is_lost_is_repeated_and_happens_once(
    fault: str, http_home: Home, client: Any, wire: Proxy
) -> None:
    wire.faults = [fault, fault]
    receipt = client.book(http_home.book.id).transfer(
        from_account_id=http_home.world, to_account_id=http_home.bank, amount=70
    )
    assert receipt.replayed
    assert wire.requests == 3
    assert [t.id for t in http_home.book.transactions()] == [receipt.transaction_id]
    assert http_home.posted(http_home.bank) == 70


@pytest.mark.parametrize("fault", LOST)
def test_what_stays_unknown_says_so_and_can_be_settled_with_its_key(
    fault: str, http_home: Home, client: Any, wire: Proxy
) -> None:
    wire.faults = [fault] * 3
    transfer = client.book(http_home.book.id).transfer
    order = {"from_account_id": http_home.world, "to_account_id": http_home.bank, "amount": 70}
    with pytest.raises(OutcomeUnknown) as unknown:
        transfer(**order)
    assert unknown.value.function == "transfer"
    receipt = transfer(**order, idempotency_key=unknown.value.key)
    assert receipt.replayed
    assert http_home.posted(http_home.bank) == 70


def test_what_is_created_is_created_once(http_home: Home, client: Any, wire: Proxy) -> None:
    wire.faults = ["cut"]
    made = client.create_book(name="Second", base_currency="EUR")
    wire.faults = ["cut"]
    opened = client.book(made.id).open_account(name="A", type="asset", currency="EUR")
    assert {book.id for book in client.books()} == {http_home.book.id, made.id}
    assert [account.id for account in client.book(made.id).accounts()] == [opened.id]


def test_what_is_the_same_twice_is_repeated(http_home: Home, client: Any, wire: Proxy) -> None:
    book = client.book(http_home.book.id)
    changes: list[Callable[[], Any]] = [
        lambda: book.update_book(name="N", archived=False),
        lambda: book.set_member(user_id=http_home.alice, role="owner"),
        lambda: book.update_account(account_id=http_home.bank, name="N"),
        lambda: book.set_balance_limits(
            account_id=http_home.bank, min_balance=-5, max_balance=None
        ),
        lambda: book.freeze_account(account_id=http_home.bank),
        lambda: book.unfreeze_account(account_id=http_home.bank),
    ]
    for change in changes:
        wire.faults = ["cut"]
        before = wire.requests
        change()
        assert wire.requests == before + 2


@pytest.mark.parametrize(
    ("unwritable", "error"),
    [(object(), TypeError), (float("nan"), ValueError), ("\ud800", UnicodeEncodeError)],
    ids=["no JSON", "not a number", "no Unicode"],
)
def test_what_cannot_be_written_is_not_sent(
    unwritable: object, error: type[Exception], http_home: Home, client: Any, wire: Proxy
) -> None:
    with pytest.raises(error):
        client.book(http_home.book.id).transfer(
            from_account_id=http_home.world,
            to_account_id=http_home.bank,
            amount=1,
            metadata={"x": unwritable},
        )
    assert wire.requests == 0


def test_what_is_not_the_same_twice_is_not_repeated(
    http_home: Home, http_clients: Clients, client: Any, wire: Proxy
) -> None:
    bob = http_clients.backend.user()
    http_home.book.set_member(user_id=bob, role="viewer")
    wire.faults = ["cut"]
    with pytest.raises(OutcomeUnknown) as unknown:
        client.book(http_home.book.id).remove_member(user_id=bob)
    assert unknown.value.key is None
    assert wire.requests == 1
    assert [m.user_id for m in http_home.book.members()] == [http_home.alice]


def test_a_refusal_after_a_lost_answer_tells_of_it(
    http_home: Home, client: Any, wire: Proxy
) -> None:
    wire.faults = ["cut"]
    with pytest.raises(InsufficientFunds) as refused:
        client.book(http_home.book.id).transfer(
            from_account_id=http_home.bank, to_account_id=http_home.cash, amount=70
        )
    assert len(refused.value.__notes__) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "PGRST303"),
        (403, "42501"),
        (403, "forbidden"),
        (404, "PGRST202"),
        (404, "book_not_found"),
        (405, "25006"),
        (408, None),
        (500, "XX000"),
    ],
)
def test_an_answer_from_before_the_key_was_looked_for_leaves_a_lost_call_unknown(
    status: int, code: str | None, http_home: Home, client: Any, wire: Proxy
) -> None:
    wire.faults = ["cut", f"{status} {code or ''}"]
    order = {"from_account_id": http_home.world, "to_account_id": http_home.bank, "amount": 70}
    transfer = client.book(http_home.book.id).transfer
    with pytest.raises(OutcomeUnknown) as unknown:
        transfer(**order)
    assert transfer(**order, idempotency_key=unknown.value.key).replayed
    assert http_home.posted(http_home.bank) == 70


@pytest.mark.parametrize("fault", LOST)
def test_reads_are_repeated_and_fail_as_reads(
    fault: str, http_home: Home, client: Any, wire: Proxy, clock: VirtualClock
) -> None:
    book = client.book(http_home.book.id)
    wire.faults = [fault, fault]
    assert book.get_balance(account_id=http_home.bank).posted == 0
    wire.faults = [fault]
    assert len(list(book.accounts())) == 3
    assert len(clock.slept) == 3  # by us, not by the package underneath
    wire.faults = [fault] * 3
    with pytest.raises(NoAnswer) as lost:
        book.get_balance(account_id=http_home.bank)
    assert not isinstance(lost.value, OutcomeUnknown)


def test_retry_after_is_honoured(
    http_home: Home, client: Any, wire: Proxy, clock: VirtualClock
) -> None:
    wire.faults = ["refuse", "refuse"]
    assert (
        not client.book(http_home.book.id)
        .set_member(user_id=http_home.alice, role="owner")
        .role.startswith("x")
    )
    assert len(clock.slept) == 2
    assert all(2 <= slept < 3 for slept in clock.slept)


def test_where_nobody_listens_nothing_happened(http_home: Home, http_clients: Clients) -> None:
    clock = VirtualClock()
    nobody = http_clients(
        http_home.alice, f"http://127.0.0.1:{free_port()}", retry=RetryPolicy(clock=clock)
    )
    with pytest.raises(Unreachable):
        nobody.create_book(name="x", base_currency="EUR")
    assert len(clock.slept) == 7


def test_the_deadline_bounds_the_attempts(http_home: Home, client: Any, wire: Proxy) -> None:
    waiting = VirtualClock(chance=0.999)
    hasty = Tillroll.connect(
        wire.url,
        ANON_KEY,
        retry=RetryPolicy(clock=waiting, deadline=4.5, max_attempts=100),
    )
    wire.faults = ["refuse"] * 100
    with hasty, pytest.raises(Unreachable):
        list(hasty.currencies())
    assert wire.requests == 3


def test_a_locked_account_is_busy_and_then_free(home: Home, clients: Clients) -> None:
    class Releasing(VirtualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            blocker.rollback()

    clock = Releasing()
    patient = clients(home.alice, retry=RetryPolicy(clock=clock)).book(home.book.id)
    with psycopg.connect(clients.backend.database.dsn("supabase_admin")) as blocker:
        blocker.execute(
            "select from ledger_private.balances where account_id = %s for update",
            [home.bank],
        )
        receipt = patient.transfer(from_account_id=home.world, to_account_id=home.bank, amount=1)
    assert not receipt.replayed
    [slept] = clock.slept
    assert slept >= 1  # as the ledger asked


def answering(http_clients: Clients, status: int, **answer: Any) -> Any:
    """A client whose every request gets this answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, **answer))
    return http_clients(uuid.uuid4(), "http://x", http_transport=transport)


def test_an_answer_of_another_shape_is_told_from_no_answer(http_clients: Clients) -> None:
    for shape in ({"id": 7}, [], [1], None, {"name": "no id"}):
        client = answering(http_clients, 200, json=shape)
        with pytest.raises(InvalidResponse):
            client.book(uuid.uuid4()).get_balance(account_id=uuid.uuid4())
        # It may have happened: the caller gets the id under which it did.
        with pytest.raises(OutcomeUnknown) as unknown:
            client.create_book(name="x", base_currency="EUR")
        assert unknown.value.key is not None


def test_in_an_outage_a_client_sends_a_tenth_more_at_most(http_clients: Clients) -> None:
    chance, sent = VirtualClock(seed=7), []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if chance.random() < 0.9:
            return httpx.Response(503, json={"code": "PGRST000", "message": "no database"})
        return httpx.Response(200, json=[])

    client = http_clients(uuid.uuid4(), "http://x", http_transport=httpx.MockTransport(answer))
    for _ in range(400):
        with contextlib.suppress(Unreachable):
            list(client.books())
    assert 400 < len(sent) <= 440


def test_an_attempt_has_its_time_limit_and_the_calls_deadline(http_clients: Clients) -> None:
    limits = []

    def answer(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json=[])

    for timeout, deadline in ((0.5, 30.0), (10.0, 3.0)):
        retry = RetryPolicy(clock=VirtualClock(), deadline=deadline)
        transport = httpx.MockTransport(answer)
        user = uuid.uuid4()
        list(
            http_clients(
                user, "http://x", timeout=timeout, retry=retry, http_transport=transport
            ).books()
        )
    assert limits == [0.5, 3.0]


def test_a_stale_token_says_sign_in_again(http_clients: Clients) -> None:
    for body in ({"code": "PGRST303", "message": "JWT expired"}, {"message": "No API key"}):
        with pytest.raises(Unauthenticated):
            answering(http_clients, 401, json=body).create_book(name="x", base_currency="EUR")


def test_the_real_gateway_refuses_a_false_token(http_clients: Clients) -> None:
    kind = AsyncTillroll if http_clients.way.startswith("async") else Tillroll
    false = http_clients._kept(
        kind.connect(http_clients.backend.url, ANON_KEY, access_token="a.b.c")
    )
    with pytest.raises(Unauthenticated):
        false.create_book(name="x", base_currency="EUR")


def test_threads_share_a_client(http_home: Home, http_clients: Clients) -> None:
    if http_clients.way.startswith("async"):
        return
    seen: list[Any] = []

    def pay() -> None:
        seen.extend(http_home.fund(1).transaction_id for _ in range(10))

    threads = [threading.Thread(target=pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 80
    assert http_home.posted(http_home.bank) == 80
