"""Requests drawn by chance: good ones spoilt, and such as nobody would write."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import jwt

from tests.integration.test_bad_input import FUNCTIONS, bad_values
from tests.reliability.stage import SECRET, token
from tests.world import MAX, Household, Row

WORDS = (
    *("", " ", "x", "é", "\0", "\ud7ff", "𝟙𝟚", "\u202ecba", "ﷺ" * 300, "'; drop table x", "%s"),
    *("null", "NaN", "Infinity", "1e309", "0x10", "-0", "١٢٣", "$$", "\\", "../..", "é" * 10_000),
    *("2026-02-30", "infinity", "9999-12-31T23:59:60Z", "EUR", "asset", "owner", "atomic", "{}"),
)
NUMBERS = (0, -1, 1, 2, 0.5, 1e300, 2**31, 2**63, -(2**63), MAX, MAX + 1, 10**400)
BODIES = (
    *(b"", b"[", b"7", b"null", b'"x"', b"[]", b"[{}]", b"{", b'{"a"', b'{"a":1,}', b"\xff\xfe{}"),
    *(b'{"amount": 1e999999}', b'{"amount": NaN}', b'{"amount": 01}', b"{}{}", b"\0", b"{\0}"),
    *(b'{"book_id": "\\ud800"}', b'{"\\u0000": 1}', b'{"book_id": 1, "book_id": 2}'),
    *(b"x" * 100_000, b"[" * 200, b'{"metadata":' * 200),
    *(b'{"metadata":' + b"[" * depth + b"]" * depth + b"}" for depth in (30, 40, 900, 20_000)),
)
HEADERS: tuple[tuple[str, Sequence[str]], ...] = (
    ("content-type", ("application/json", "application/json; charset=latin-1", "", "x", "a/b/c")),
    ("content-type", ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x")),
    ("accept", ("application/json", "*/*", "", "x", "x/y;q=x", "application/*;q=0", "é")),
    ("accept", ("application/vnd.pgrst.object+json", "application/openapi+json")),
    ("prefer", ("tx=rollback", "count=exact", "handling=strict, x=y", "return=minimal", ",,,=")),
    ("content-profile", ("ledger", "ledger_private", "public", "pg_catalog", "auth", "é", "")),
    ("accept-profile", ("ledger", "ledger_private", "pg_catalog", 'x"; select 1')),
    ("range", ("0-0", "5-1", "x", "items=0-", "9" * 50 + "-")),
    ("cookie", ("a=b; c", "=;=", "x" * 4_000)),
    ("content-encoding", ("gzip", "x")),
)
QUERIES = (
    *("select=*", "select=(", "limit=-1", "limit=x", "offset=99999999999999999999", "order=x.y.z"),
    *("columns=x", "or=(", "and=(a.eq.1", "id=eq.x", "id=in.(", "a=b&a=c", "%00=%ff", "name=eq.é"),
    *("select=id::x", "select=count()", "on_conflict=x", "order=id.desc&limit=1", "id=not.is.null"),
)
VIEWS = (
    "books",
    "accounts",
    "members",
    "transactions",
    "entries",
    "holds",
    "currencies",
    "nothing",
)
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Drawn:
    """A request.

    Attributes:
        who: The caller's name in `Callers`.
    """

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    who: str

    @property
    def text(self) -> str:
        """All that the sender has said, in lower case."""
        return f"{self.path} {self.headers} {self.body.decode(errors='replace')}".lower()


class Callers:
    """Authorization headers of users, and of those who may do nothing at all."""

    def __init__(self, users: dict[str, str]) -> None:
        self.users = {name: _bearer(token(user_id)) for name, user_id in users.items()}
        alice, now = users["alice"], int(time.time())
        good = token(alice)
        forged = {
            "garbage": "a.b.c",
            "cut": good[:-3],
            "twice": f"{good} {good}",
            "another secret": jwt.encode({"sub": alice, "role": "authenticated"}, "x" * 32),
            "another algorithm": jwt.encode({"sub": alice}, SECRET * 2, "HS512"),
            "no algorithm": jwt.encode({"sub": alice, "role": "service_role"}, "", "none"),
            "expired": token(alice, exp=now - 3600),
            "not yet": token(alice, nbf=now + 3600),
            "a time that is none": token(alice, exp="tomorrow"),
            "no subject": jwt.encode({"role": "authenticated"}, SECRET),
            "subject of null": token(alice, sub=None),
            "subject of another type": token(alice, sub={"id": "alice"}),
            "subject that is no id": token(alice, sub="alice"),
            "anon": token(alice, role="anon"),
            "owner of the schema": token(alice, role="postgres"),
            "superuser": token(alice, role="supabase_admin"),
            "login role": token(alice, role="authenticator"),
            "no such role": token(alice, role='x"; reset role; --'),
            "two roles": token(alice, role=["authenticated", "service_role"]),
        }
        self.powerless = {name: _bearer(text) for name, text in forged.items()}
        self.powerless |= {"nobody": {}, "basic": {"authorization": "Basic YWxpY2U6eA=="}}

    def __getitem__(self, who: str) -> dict[str, str]:
        return self.users.get(who) or self.powerless[who]


def _bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


class Payloads:
    """Requests to the functions of one household, whose good calls are known.

    Args:
        good: A call of each function that succeeds.
        swaps: Ids of the household, and those of another tenant that stand in their place.
    """

    def __init__(
        self, home: Household, good: dict[str, Row], callers: Callers, swaps: dict[str, str]
    ) -> None:
        self.good, self.callers, self.swaps = good, callers, swaps
        self.functions: dict[str, dict[str, Row]] = {}
        for row in home.reader.query(FUNCTIONS):
            self.functions.setdefault(row["function"], {})[row["name"]] = row
        self.bad = {
            (function, name): values
            for function, arguments in self.functions.items()
            for name, argument in arguments.items()
            if (values := bad_values(home, function, argument))
        }
        self.ours = [home.book_id, *home.accounts.values()]
        self.ids = [*self.ours, *swaps.values(), *home.users.values()]

    def refused(self, dice: Random) -> Drawn:
        """A request that has to be refused: for what it says, or for who says it."""
        function = dice.choice(sorted(self.functions))
        sort = dice.random()
        if sort < 0.6:
            return self._rpc(function, self._spoilt(dice, function), "alice")
        if sort < 0.8 or function == "create_book":
            return self._rpc(function, self.good[function], dice.choice([*self.callers.powerless]))
        return self._rpc(function, self.good[function], "mallory")

    def _spoilt(self, dice: Random, function: str) -> Row:
        """Good arguments with bad ones among them, one too many or one too few."""
        arguments = dict(self.good[function])
        sort = dice.random()
        if sort < 0.1:
            return {**arguments, dice.choice(("nothing", "book", "é", "")): 1}
        required = [n for n, a in self.functions[function].items() if not a["optional"]]
        if sort < 0.2:
            del arguments[dice.choice(required)]
            return arguments
        names = [name for of, name in self.bad if of == function]
        for name in dice.sample(names, min(len(names), dice.choice((1, 1, 2)))):
            arguments[name] = dice.choice(self.bad[function, name])
        return arguments

    def wild(self, dice: Random) -> Drawn:
        """Any request; where it happens to be a good one, it may succeed."""
        function = dice.choice(sorted(self.functions))
        who = dice.choice([*self.callers.users] * 12 + [*self.callers.powerless])
        method = "POST" if dice.random() < 0.8 else dice.choice(METHODS)
        body = json.dumps(self._any_arguments(dice, function))
        if who == "hanna":
            for ours, theirs in self.swaps.items():
                body = body.replace(ours, theirs)
        path = f"/rpc/{function}"
        if method != "POST":
            path += "?" + urlencode({n: _text(v) for n, v in json.loads(body).items()})[:8_000]
        sort = dice.random()
        if sort < 0.1:
            path = f"/{dice.choice(VIEWS)}?{dice.choice(QUERIES)}"
        elif sort < 0.15:
            path = f"/rpc/{quote(dice.choice(WORDS)[:99], safe='')}"
        headers = dict(self.callers[who])
        for _ in range(dice.choice((0, 0, 0, 0, 1, 2))):
            name, values = dice.choice(HEADERS)
            headers[name] = dice.choice(values)
        content = body.encode() if dice.random() < 0.85 else dice.choice(BODIES)
        return Drawn(method, path, content, headers, who)

    def _any_arguments(self, dice: Random, function: str) -> Row:
        """Mostly good ones with something else in one place."""
        if dice.random() < 0.1:
            names = [dice.choice(WORDS) for _ in range(dice.randrange(4))]
            return {name: self._anything(dice, self.ids) for name in names}
        arguments = dict(self.good[function])
        for name in dice.sample(sorted(self.functions[function]), dice.choice((0, 1, 1))):
            # Another tenant's id that is kept as a text would come back as one.
            is_text = self.functions[function][name]["type"] in ("text", "jsonb")
            arguments[name] = self._anything(dice, self.ours if is_text else self.ids)
        return arguments

    def _anything(self, dice: Random, ids: Sequence[str], depth: int = 0) -> Any:
        sort = dice.random()
        if sort < 0.3:
            return dice.choice(WORDS)
        if sort < 0.55:
            return dice.choice(NUMBERS)
        if sort < 0.75:
            return dice.choice(ids)
        if sort < 0.85 or depth > 3:
            return dice.choice((None, True, False))
        inner = [self._anything(dice, ids, depth + 1) for _ in range(dice.randrange(4))]
        if sort < 0.92:
            return inner
        return {dice.choice((*WORDS[:9], "account_id", "amount", "entries")): x for x in inner}

    def _rpc(self, function: str, arguments: Row, who: str) -> Drawn:
        headers = {"content-type": "application/json", **self.callers[who]}
        return Drawn("POST", f"/rpc/{function}", json.dumps(arguments).encode(), headers, who)


def _text(value: object) -> str:
    told = value if isinstance(value, str) else json.dumps(value)
    return told.encode(errors="replace").decode()
