"""tillroll.verify: an export passes, and no change of it does."""

from __future__ import annotations

import io
import json
import re
import tracemalloc
import uuid
from binascii import unhexlify
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import exports
from tests.exports import CODES, POSTINGS, Posting, made
from tillroll.verify import Finding, Verdict, checkpoint_line, merkle_root, verify

GOOD = made()
ROOT = json.loads(GOOD[-1])["root"]
OTHER = made(seed=2)


def lines_of(text: str) -> list[str]:
    """As the command reads a file: no other character ends a line."""
    return list(io.StringIO(text, newline="\n"))


def whats(lines: list[str], root: str | None = None) -> list[str]:
    return [finding.what for finding in verify(lines, root=root).findings]


def test_an_export_holds() -> None:
    book_id = json.loads(GOOD[0])["book_id"]
    assert verify(GOOD) == Verdict(book_id, 13, ROOT, 0, ())
    assert verify(GOOD, root=ROOT).ok
    assert verify(OTHER).ok


def test_an_empty_book_holds() -> None:
    empty = made([])
    assert len(empty) == 2
    assert verify(empty).ok


def test_lines_are_json() -> None:
    for line in GOOD:
        assert json.dumps(json.loads(line), separators=(",", ":")) + "\n" == line


def other_values(value: object) -> Iterator[object]:
    """Values in place of one, each of a form that could stand there."""
    if isinstance(value, int):
        yield from (value + 1, value - 1, -value, value * 2, 0, 10**15, value + 256, None)
        yield from (float(value), str(value), True)
        return
    assert isinstance(value, str)
    for at, character in enumerate(value):
        for other in ("0", "f", "E", chr(ord(character) ^ 1)):
            if other != character:
                yield value[:at] + other + value[at + 1 :]
    yield from ("", value.upper(), value + " ", None, 1)


def test_every_change_of_every_field_of_every_line_is_found() -> None:
    tried = 0
    for number, line in enumerate(GOOD):
        fields = json.loads(line)
        for name, value in fields.items():
            for other in other_values(value):
                if other == value and type(other) is type(value):
                    continue
                text = json.dumps(fields | {name: other}, separators=(",", ":")) + "\n"
                changed = [*GOOD[:number], text, *GOOD[number + 1 :]]
                assert not verify(changed).ok, (line, text)
                tried += 1
    assert tried > 5_000


def test_fields_that_are_left_out_added_or_in_another_order_are_found() -> None:
    for number, line in enumerate(GOOD):
        fields = json.loads(line)
        forms = [{k: v for k, v in fields.items() if k != name} for name in fields]
        forms += [fields | {"note": 1}, dict(reversed(fields.items()))]
        texts = [json.dumps(form, separators=(",", ":")) + "\n" for form in forms]
        texts += [json.dumps(fields) + "\n", line.replace("\n", "\r\n"), line.rstrip(), "\n", ""]
        texts += [line.replace("{", "{ "), line.replace('"', "'"), line[:-2] + ',"slot":0}\n']
        for text in texts:
            assert not verify([*GOOD[:number], text, *GOOD[number + 1 :]]).ok, text


def test_every_line_that_is_deleted_is_missed() -> None:
    for number in range(len(GOOD)):
        assert not verify(GOOD[:number] + GOOD[number + 1 :]).ok, GOOD[number]


def test_every_line_that_is_doubled_is_seen() -> None:
    for number in range(len(GOOD)):
        assert not verify(GOOD[: number + 1] + GOOD[number:]).ok, GOOD[number]
        assert not verify([*GOOD, GOOD[number]]).ok


def test_lines_that_change_places_are_seen() -> None:
    for one in range(len(GOOD)):
        for other in range(one):
            moved = list(GOOD)
            moved[one], moved[other] = moved[other], moved[one]
            assert not verify(moved).ok, (GOOD[one], GOOD[other])
            moved = GOOD[:one] + GOOD[one + 1 :]
            moved.insert(other, GOOD[one])
            assert not verify(moved).ok, (GOOD[one], other)


def test_every_cut_is_seen() -> None:
    for number in range(len(GOOD)):
        assert not verify(GOOD[:number]).ok
        assert not verify(GOOD[number + 1 :]).ok
    text = "".join(GOOD)
    for end in range(len(text)):
        assert not verify(lines_of(text[:end])).ok


def test_lines_of_another_book_are_seen() -> None:
    for number in range(len(GOOD)):
        assert not verify([*GOOD[:number], OTHER[number], *GOOD[number + 1 :]]).ok
        assert not verify([*GOOD[:number], OTHER[number], *GOOD[number:]]).ok
        if number:
            assert not verify(GOOD[:number] + OTHER[number:]).ok


def test_a_consistent_forgery_is_told_by_the_root_alone() -> None:
    forged = made([[(0, -600), (1, 600)], *POSTINGS[1:]])
    assert verify(forged).ok
    assert whats(forged, ROOT) == ["other_root"]
    earlier = made(POSTINGS[:-1])
    assert verify(earlier).ok
    assert whats(earlier, ROOT) == ["other_root"]


def test_chains_in_another_order_are_out_of_place_even_under_a_root_of_that_order() -> None:
    groups: dict[tuple[str, int, bool], list[str]] = {}
    for line in GOOD[1:-1]:
        fields = json.loads(line)
        if "slot" in fields:
            key = (fields["account_id"], fields["slot"], len(fields) == 4)
            groups.setdefault(key, []).append(line)
    lines = GOOD[: 1 + len(CODES)]
    leaves = []
    for is_head in (False, True):
        for account_id, slot, kind in sorted(groups, reverse=True):
            if kind is is_head:
                lines += groups[account_id, slot, kind]
    for line in lines:
        fields = json.loads(line)
        if len(fields) == 4:
            head = uuid.UUID(fields["account_id"]).bytes + fields["slot"].to_bytes(2, "big")
            leaves.append(head + fields["version"].to_bytes(8, "big") + unhexlify(fields["hash"]))
    lines.append(checkpoint_line(13, merkle_root(leaves).hex()))
    assert sorted(lines[:-1]) == sorted(GOOD[:-1])
    assert set(whats(lines)) == {"out_of_place"}


def test_sums_are_those_of_each_currency() -> None:
    assert CODES[0] != CODES[3]
    assert whats(made([[(0, -5), (3, 5)]])) == ["transaction_sum", "transaction_sum"]


def _entry(version: int) -> int:
    """The number of a line of the longest chain, that of the second account."""
    chain = [
        number
        for number, line in enumerate(GOOD)
        if "leg" in line and json.loads(line)["account_id"] == LONGEST
    ]
    return chain[version - 1]


LONGEST = next(json.loads(line)["account_id"] for line in GOOD if '"amount":500,' in line)


def test_a_changed_entry_is_named_by_account_and_version() -> None:
    number = _entry(2)
    fields = json.loads(GOOD[number])
    changed = list(GOOD)
    changed[number] = re.sub('"leg":2', '"leg":3', GOOD[number])
    expected = Finding(number + 1, "hash", LONGEST, 0, 2, fields["transaction_id"])
    assert verify(changed).findings == (expected,)

    changed[number] = GOOD[number].replace('"amount":3', '"amount":4')
    found = verify(changed).findings
    assert {finding.what for finding in found} == {"hash", "running_balance", "transaction_sum"}
    assert {finding.version for finding in found} == {2, None}


def test_each_fault_has_a_name() -> None:
    middle, last = _entry(2), _entry(5)
    heads = [number for number, line in enumerate(GOOD) if len(json.loads(line)) == 4]
    assert "gap" in whats(GOOD[:middle] + GOOD[middle + 1 :])
    assert {"head", "entry_count", "root"} <= set(whats(GOOD[:last] + GOOD[last + 1 :]))
    assert whats(GOOD[:-1]) == ["incomplete"]
    assert whats([*GOOD, "\n"]) == ["unreadable"]
    assert whats(["x\n", *GOOD]) == ["unreadable"]
    assert whats([*GOOD, GOOD[-1]]) == ["out_of_place"]
    assert whats(GOOD[: heads[0]] + GOOD[heads[0] + 1 :]) == ["head"]
    assert whats([*GOOD[:-1], GOOD[-1].replace('"entries":13', '"entries":12')]) == ["entry_count"]
    assert whats([GOOD[0], *OTHER[1:2], *GOOD[1:]])[-1] == "unused_account"
    assert "unknown_account" in whats([GOOD[0], *GOOD[2:]])
    early = GOOD[last].replace("2026-02-01T00", "2026-01-01T00")
    assert early != GOOD[last]
    assert whats([*GOOD[:last], early, *GOOD[last + 1 :]]) == ["booking_time", "hash"]
    no_day = GOOD[middle].replace('"effective_on":"2026-02-01"', '"effective_on":"2026-02-30"')
    assert no_day != GOOD[middle]
    assert whats([*GOOD[:middle], no_day, *GOOD[middle + 1 :]])[0] == "unreadable"


@given(st.data())
def test_whatever_is_done_to_the_text_is_found(data: st.DataObject) -> None:
    text = "".join(GOOD)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 400)))
    piece = data.draw(
        st.text('0123456789abcdef-{}":,\n\r é', max_size=12) | st.just(text[end : end + 200])
    )
    changed = text[:begin] + piece + text[end:]
    assert verify(lines_of(changed)).ok == (changed == text)


amounts = st.integers(-(2**40), 2**40).filter(bool)
pairs = st.tuples(st.permutations(range(3)), amounts).map(
    lambda drawn: [(drawn[0][0], drawn[1]), (drawn[0][1], -drawn[1])]
)


@given(st.lists(pairs, max_size=12), st.data())
def test_any_book_holds_and_a_lost_or_moved_line_of_it_is_found(
    postings: list[Posting], data: st.DataObject
) -> None:
    lines = made(postings)
    assert verify(lines).ok
    lost = data.draw(st.integers(0, len(lines) - 1))
    rest = lines[:lost] + lines[lost + 1 :]
    assert not verify(rest).ok
    rest.insert(data.draw(st.integers(0, len(rest))), lines[lost])
    assert verify(rest).ok == (rest == lines)


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_the_tree_is_that_of_rfc_6962(count: int) -> None:
    leaves = [bytes([number]) * number for number in range(count)]
    assert merkle_root(leaves) == exports.merkle_root(leaves)


def test_memory_does_not_grow_with_the_entries() -> None:
    def peak(count: int) -> int:
        # Each pays the same sum back: few transactions are open at any time but the last chain's.
        lines = made([[(3, 1), (3, -1)]] * count)
        tracemalloc.start()
        assert verify(lines).ok
        (_, most) = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert CODES[3] == "JPY"
    peak(50)
    assert peak(2000) < peak(200) + 50_000
