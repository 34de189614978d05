"""What becomes of a call: intervals say what counting says, and what a gateway does."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from tests.conftest import cluster_of
from tests.integration.gateway.conftest import Api, serve
from tillroll.migrate.access import as_roles
from tillroll.migrate.contract.calls import Outcome, Shapes, outcomes, taken
from tillroll.migrate.contract.reading import read_contract
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.lockfile import Aspects

TYPES = {"a": "integer", "b": "bigint", "c": "text", "d": "numeric"}
CASES = 12

Call = frozenset[str]


def function(required: str, optional: str = "") -> Aspects:
    arguments = {name: TYPES.get(name, "integer") for name in required + optional}
    return {"arguments": arguments, "defaults": dict.fromkeys(optional, "1")}


def overloads(draw: random.Random, names: str, *, most: int = 3) -> list[Aspects]:
    """Functions of one name, no two with the same arguments."""
    found: dict[frozenset[str], Aspects] = {}
    for _ in range(draw.randint(0, most)):
        used = draw.sample(names, draw.randint(0, len(names)))
        cut = draw.randint(0, len(used))
        found[frozenset(used)] = function("".join(used[:cut]), "".join(used[cut:]))
    return [*found.values()]


def calls(names: str) -> list[Call]:
    return [
        frozenset(each)
        for size in range(len(names) + 1)
        for each in itertools.combinations(names, size)
    ]


def called(functions: Sequence[Aspects], call: Call) -> Aspects | str:
    """PostgREST's rule, call by call."""
    found = [
        each
        for each in functions
        if each["arguments"].keys() - each["defaults"].keys() <= call <= each["arguments"].keys()
    ]
    return found[0] if len(found) == 1 else "PGRST203" if found else "PGRST202"


def holds(shapes: Sequence[Shapes], call: Call) -> int:
    return sum(each.needed <= call <= each.allowed for each in shapes)


def result(outcome: Outcome) -> Aspects | str:
    return outcome.function or outcome.code


@pytest.mark.parametrize("seed", range(150))
def test_intervals_say_what_counting_says(seed: int) -> None:
    draw = random.Random(seed)
    names = "abcdef"[: draw.randint(1, 6)]
    old, new = overloads(draw, names), overloads(draw, names)
    for each in old:
        shapes = taken(each, old)
        found = outcomes(shapes, new)
        for call in calls(names):
            worked = called(old, call) is each
            assert holds(shapes, call) == worked
            # Exactly one outcome, and that which the rule gives.
            answers = [result(o) for o in found for _ in range(holds(o.shapes, call))]
            assert answers == [called(new, call)] * worked
        total = sum(called(old, call) is each for call in calls(names))
        assert sum(outcome.count for outcome in found) == total
        for outcome in found:
            smallest = frozenset(outcome.smallest)
            sizes = [len(c) for c in calls(names) if holds(outcome.shapes, c)]
            assert len(smallest) == min(sizes)
            assert holds(outcome.shapes, smallest) == 1


def test_many_optional_arguments_cost_nothing() -> None:
    names = [f"argument_{number}" for number in range(60)]
    texts = dict.fromkeys(names, "text")
    wide = {"arguments": texts, "defaults": texts}
    less = {
        "arguments": dict.fromkeys(names[1:], "text"),
        "defaults": dict.fromkeys(names[2:], "text"),
    }
    found = outcomes(taken(wide, [wide]), [less])
    counts = {outcome.code: outcome.count for outcome in found}
    assert counts == {"": 2**58, "PGRST202": 2**60 - 2**58}


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Api, Contract]]:
    """A gateway before the schemas `old` and `new`, with a function of each case in both."""
    cluster = cluster_of("18")
    database = cluster.database("bare")
    draw = random.Random(5)
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as conn:
        conn.execute("create schema old; create schema new; grant usage on schema old, new to anon")
        for number, schema in itertools.product(range(CASES), ("old", "new")):
            for each in overloads(draw, "abcd"):
                conn.execute(
                    f"create function {schema}.f{number}({written(each)}) returns text "
                    f"language sql as $$select '{written(each)}'$$"
                )
        conn.execute(
            "create table old.log (n int); grant select, insert on old.log to anon;"
            "create function old.get() returns bigint language sql stable "
            "as 'select count(*) from old.log';"
            "create function new.get() returns bigint language sql "
            "as 'insert into old.log values (1); select count(*) from old.log'"
        )
        with as_roles(conn, ["anon"]) as roles:
            contract = read_contract(conn, roles, ["old", "new"])
    with serve(database, schemas=("old", "new")) as api:
        yield api, contract
    cluster.drop(database)


@pytest.mark.parametrize("number", range(CASES))
def test_a_gateway_does_what_the_intervals_say(world: tuple[Api, Contract], number: int) -> None:
    api, contract = world
    old = contract.functions.get(f"old.f{number}", ())
    new = contract.functions.get(f"new.f{number}", ())

    def answer(schema: str, call: Call) -> str:
        sent = json.dumps(dict.fromkeys(sorted(call), 1))
        response = api.rpc(f"f{number}", sent, content_profile=schema)
        told = response.json()
        return str(told if response.status_code == 200 else told["code"])

    seen, told = {}, {}
    for each in old:
        shapes = taken(each, old)
        found = outcomes(shapes, new)
        for call in calls("abcd"):
            if answer("old", call) == written(each):
                seen[call] = answer("new", call)
            if holds(shapes, call):
                (outcome,) = (o for o in found if holds(o.shapes, call))
                told[call] = written(outcome.function) if outcome.function else outcome.code
    assert told == seen


def written(each: Aspects) -> str:
    """The arguments of a function of a case, which it answers with, too."""
    return ", ".join(
        f"{name} {kind}{' default 1' if name in each.get('defaults', {}) else ''}"
        for name, kind in each.get("arguments", {}).items()
    )


def test_the_cases_have_every_outcome(world: tuple[Api, Contract]) -> None:
    functions = world[1].functions
    codes = set()
    for number in range(CASES):
        old, new = functions.get(f"old.f{number}", ()), functions.get(f"new.f{number}", ())
        for each in old:
            codes |= {found.code for found in outcomes(taken(each, old), new)}
    assert codes == {"", "PGRST202", "PGRST203"}


def test_a_volatile_function_cannot_write_by_get(world: tuple[Api, Contract]) -> None:
    api = world[0]
    assert api.get("/rpc/get", accept_profile="old").status_code == 200
    response = api.get("/rpc/get", accept_profile="new")
    assert (response.status_code, response.json()["code"]) == (405, "25006")
