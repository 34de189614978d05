from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reliability.histories import (
    Append,
    Denied,
    Micros,
    Operation,
    Read,
    Recorder,
    Transaction,
    Type,
    Unknown,
    edn,
    from_json_lines,
    json_lines,
    transactions,
)

WANTED: Micros = (Append(5, 1), Read(6))
DONE: Micros = (Append(5, 1), Read(6, (3, -4)))
NUMBER = r"-?\d+"
MICRO = rf"(\[:append {NUMBER} {NUMBER}\]|\[:r {NUMBER} (nil|\[({NUMBER}( {NUMBER})*)?\])\])"
EDN = re.compile(
    r"\{:index \d+, :time \d+, :type :(invoke|ok|fail|info), :process \d+, :f :txn, "
    rf":value \[({MICRO}( {MICRO})*)?\]\}}"
)


def refuse() -> Micros:
    raise Denied


def vanish() -> Micros:
    raise Unknown


def recorded() -> list[Operation]:
    recorder = Recorder(2)
    assert recorder.attempt(0, WANTED, lambda: DONE) == DONE
    assert recorder.attempt(1, WANTED, refuse) is None
    assert recorder.attempt(1, WANTED, vanish) is None
    assert recorder.attempt(1, WANTED, lambda: DONE) == DONE
    return recorder.operations


def test_a_history_tells_who_began_what_and_how_it_ended() -> None:
    lines = [(one.index, one.process, one.type, one.value) for one in recorded()]

    assert lines[:4] == [
        (0, 0, "invoke", WANTED),
        (1, 0, "ok", DONE),
        (2, 1, "invoke", WANTED),
        (3, 1, "fail", WANTED),
    ]


def test_a_client_whose_outcome_is_unknown_goes_on_as_another_process() -> None:
    lines = [(one.process, one.type) for one in recorded()]

    assert lines[4:] == [(1, "invoke"), (1, "info"), (2, "invoke"), (2, "ok")]


def test_both_lines_of_a_transaction_are_paired() -> None:
    assert transactions(recorded()) == [
        Transaction(0, 1, "ok", DONE),
        Transaction(2, 3, "fail", WANTED),
        Transaction(4, None, "info", WANTED),
        Transaction(6, 7, "ok", DONE),
    ]


def test_a_transaction_that_never_ended_is_of_unknown_outcome() -> None:
    assert transactions(recorded()[:3])[-1] == Transaction(2, None, "info", WANTED)


@pytest.mark.parametrize("types", [("ok",), ("invoke", "invoke"), ("invoke", "ok", "ok")])
def test_a_process_does_one_thing_at_a_time(types: tuple[Type, ...]) -> None:
    with pytest.raises(ValueError):
        transactions(Operation(n, n, 0, kind, WANTED) for n, kind in enumerate(types))


def test_lines_of_clients_at_once_keep_their_order() -> None:
    recorder = Recorder(4)
    values = count()

    def client(number: int) -> None:
        for _ in range(200):
            recorder.attempt(number, (Append(number, next(values)),), lambda: DONE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client, range(4)))

    lines = recorder.operations
    assert [one.index for one in lines] == list(range(1600))
    assert [one.time for one in lines] == sorted(one.time for one in lines)
    assert len(transactions(lines)) == 800


def test_edn_is_what_elle_reads() -> None:
    lines = [re.sub(r":time \d+", ":time 0", line) for line in edn(recorded())]

    assert lines[:2] == [
        "{:index 0, :time 0, :type :invoke, :process 0, :f :txn, "
        ":value [[:append 5 1] [:r 6 nil]]}",
        "{:index 1, :time 0, :type :ok, :process 0, :f :txn, :value [[:append 5 1] [:r 6 [3 -4]]]}",
    ]


keys = st.integers(0, 50)
whole = st.integers(-(2**53), 2**53)
drawn = st.lists(
    st.builds(
        Operation,
        st.integers(0, 10**6),
        st.integers(0, 10**15),
        st.integers(0, 100),
        st.sampled_from(("invoke", "ok", "fail", "info")),
        st.lists(
            st.one_of(
                st.builds(Append, keys, whole),
                st.builds(Read, keys, st.none() | st.lists(whole, max_size=5).map(tuple)),
            ),
            max_size=5,
        ).map(tuple),
    ),
    max_size=5,
)


@given(drawn)
def test_every_line_is_one_map_of_edn(operations: list[Operation]) -> None:
    lines = list(edn(operations))

    assert len(lines) == len(operations)
    assert [line for line in lines if not EDN.fullmatch(line)] == []


@given(drawn)
def test_json_lines_are_read_back_as_they_were(operations: list[Operation]) -> None:
    assert from_json_lines(json_lines(operations)) == operations
