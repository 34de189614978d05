"""The checker against the definition: small histories, and every order that could explain them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations, permutations
from random import Random

import pytest

from tests.reliability.adya import check
from tests.reliability.histories import Append, Micro, Read, Transaction, Type

HISTORIES = 3_000


def explains(order: Sequence[Transaction]) -> bool:
    """Whether everybody saw what she did, had they come one after the other."""
    lists: dict[int, tuple[int, ...]] = {}
    for made in order:
        for micro in made.value:
            seen = lists.get(micro.key, ())
            if isinstance(micro, Append):
                lists[micro.key] = (*seen, micro.value)
            elif made.type == "ok" and micro.values != seen:
                return False
    return True


def keeps_time(order: Sequence[Transaction]) -> bool:
    """Whether nobody comes after one who began when she had ended."""
    return not any(
        later.ended is not None and later.ended < earlier.began
        for earlier, later in combinations(order, 2)
    )


def is_strictly_serializable(history: Sequence[Transaction]) -> bool:
    """By trial: each order of those who were answered and of any of unknown outcome."""
    answered = [made for made in history if made.type == "ok"]
    unknown = [made for made in history if made.type == "info"]
    happened = chain.from_iterable(
        combinations(unknown, number) for number in range(len(unknown) + 1)
    )
    return any(
        keeps_time(order) and explains(order)
        for some in happened
        for order in permutations([*answered, *some])
    )


def drawn(dice: Random) -> list[Transaction]:
    """A few transactions that see some beginning of what is in a list at the end."""
    size, keys = dice.randint(2, 5), dice.randint(1, 3)
    kinds: list[Type] = dice.choices(("ok", "info", "fail"), (8, 1, 1), k=size)
    wanted: list[list[Micro]] = [[] for _ in range(size)]
    final: dict[int, list[tuple[int, int]]] = {key: [] for key in range(keys)}
    for number in range(size):
        for _ in range(dice.randint(1, 3)):
            key = dice.randrange(keys)
            if dice.random() < 0.5:
                value = sum(map(len, final.values())) + 1
                wanted[number].append(Append(key, value))
                final[key].append((number, value))
            else:
                wanted[number].append(Read(key))
    for values in final.values():
        if dice.random() < 0.2:
            dice.shuffle(values)
    moments = []
    for number in range(size):
        began = number * dice.choice((0, 1, 2)) + dice.random()
        moments += [(began, number), (began + 3 * dice.random(), number)]
    places: dict[int, list[int]] = {}
    for place, (_, number) in enumerate(sorted(moments)):
        places.setdefault(number, []).append(place)
    history = []
    for number, micros in enumerate(wanted):
        began, ended = places[number]
        seen: dict[int, tuple[int, ...]] = {}
        done: list[Micro] = []
        for micro in micros:
            if isinstance(micro, Append):
                done.append(micro)
                continue
            if micro.key not in seen:
                others = [
                    v for who, v in final[micro.key] if who != number and kinds[who] != "fail"
                ]
                cut = len(others) if dice.random() < 0.7 else dice.randint(0, len(others))
                seen[micro.key] = tuple(others[:cut])
            own = tuple(m.value for m in done if isinstance(m, Append) and m.key == micro.key)
            done.append(Read(micro.key, seen[micro.key] + own))
        kind = kinds[number]
        history.append(Transaction(began, None if kind == "info" else ended, kind, tuple(done)))
    return sorted(history, key=lambda made: made.began)


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_something_exactly_where_no_order_explains_a_history(seed: int) -> None:
    dice = Random(seed)
    judged = {True: 0, False: 0}
    for _ in range(HISTORIES // 3):
        history = drawn(dice)
        good = is_strictly_serializable(history)
        judged[good] += 1
        assert (check(history) == []) is good, history
    assert min(judged.values()) > HISTORIES // 30
