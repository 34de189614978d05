"""An existing client of the package `supabase`: its session is followed."""

from __future__ import annotations

import uuid

import httpx
import pytest
from supabase import AsyncClientOptions, ClientOptions, create_async_client, create_client

from tests.integration.client.conftest import ANON_KEY, Backend
from tillroll import AsyncTillroll, RequestFailed, Tillroll


def credentials() -> dict[str, str]:
    return {"email": f"{uuid.uuid4()}@example.com", "password": "correct horse battery"}


def test_whoever_is_signed_in_acts(backend: Backend) -> None:
    alice, bob = credentials(), credentials()
    with httpx.Client() as http:
        options = ClientOptions(httpx_client=http, auto_refresh_token=False)
        supabase = create_client(backend.url, ANON_KEY, options)
        client = Tillroll(supabase)
        with pytest.raises(RequestFailed) as refused:
            client.create_book(name="x", base_currency="EUR")
        assert refused.value.http_status in (401, 403)

        signed_up = supabase.auth.sign_up(alice)  # type: ignore[arg-type]
        book = client.book(client.create_book(name="Hers", base_currency="EUR").id)
        [member] = book.members()
        assert signed_up.user is not None
        assert str(member.user_id) == signed_up.user.id

        supabase.auth.refresh_session()
        assert [each.name for each in client.books()] == ["Hers"]

        supabase.auth.sign_up(bob)  # type: ignore[arg-type]
        assert list(client.books()) == []

        supabase.auth.sign_out()
        with pytest.raises(RequestFailed):
            client.create_book(name="x", base_currency="EUR")
        client.close()


async def test_whoever_is_signed_in_acts_async(backend: Backend) -> None:
    async with httpx.AsyncClient() as http:
        options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
        supabase = await create_async_client(backend.url, ANON_KEY, options)
        client = AsyncTillroll(supabase)
        await supabase.auth.sign_up(credentials())  # type: ignore[arg-type]
        made = await client.create_book(name="Hers", base_currency="EUR")
        assert [book.id async for book in client.books()] == [made.id]
        await supabase.auth.sign_out()
        with pytest.raises(RequestFailed):
            await client.create_book(name="x", base_currency="EUR")
        await client.close()


def test_a_token_function_is_asked_before_each_request(backend: Backend) -> None:
    users = [backend.user(), backend.user()]
    tokens = [backend.token(user) for user in users]
    with Tillroll.connect(backend.url, ANON_KEY, access_token=lambda: tokens.pop(0)) as client:
        first = client.create_book(name="first", base_currency="EUR")
        client.create_book(name="second", base_currency="EUR")
    with Tillroll.connect(backend.url, ANON_KEY, access_token=backend.token(users[0])) as client:
        assert [book.id for book in client.books()] == [first.id]


async def test_an_async_token_function_is_awaited(backend: Backend) -> None:
    token = backend.token(backend.user())

    async def current() -> str:
        return token

    async with AsyncTillroll.connect(backend.url, ANON_KEY, access_token=current) as client:
        made = await client.create_book(name="x", base_currency="EUR")
        assert [book.id async for book in client.books()] == [made.id]
