from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from random import Random

import psycopg
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import Database
from tests.reliability.adya import check
from tests.reliability.histories import (
    Append,
    Denied,
    Micros,
    Read,
    Recorder,
    Transaction,
    Type,
    transactions,
)

KEYS = "xyzw"


def micros(text: str) -> Micros:
    """`ax1 ry12`: append 1 to x, read 1 and 2 from y."""
    made: list[Append | Read] = []
    for word in text.split():
        key = KEYS.index(word[1])
        values = tuple(int(digit) for digit in word[2:])
        made.append(Append(key, *values) if word[0] == "a" else Read(key, values))
    return tuple(made)


def history(*stages: Sequence[str]) -> list[Transaction]:
    """Transactions of one stage run at the same time, stages one after the other.

    `!` was refused, `?` of unknown outcome, `~` ends after all the others.
    """
    numbers = count()
    made = []
    for stage in stages:
        begun = [(next(numbers), text) for text in stage]
        for began, text in begun:
            kind: Type = "fail" if text[0] == "!" else "info" if text[0] == "?" else "ok"
            ended = None if kind == "info" else next(numbers) + 1000 * (text[0] == "~")
            made.append(Transaction(began, ended, kind, micros(text.lstrip("!?~"))))
    return made


def kinds(found: list[Transaction], *, realtime: bool = True) -> set[str]:
    return {anomaly.kind for anomaly in check(found, realtime=realtime)}


CLEAN: dict[str, list[list[str]]] = {
    "nothing": [],
    "one after the other": [["ax1"], ["rx1 ax2"], ["rx12"]],
    "a read may see what is not yet acknowledged": [["ax1", "rx1"], ["rx1"]],
    "a read may miss what is not yet acknowledged": [["ax1", "rx"], ["rx1"]],
    "an unknown outcome that came about": [["?ax1 ry"], ["rx1"], ["rx1 ay1"]],
    "an unknown outcome that did not": [["?ax1"], ["rx"]],
    "an unknown outcome that comes about late": [["?ax1"], ["rx"], ["rx1"]],
    "a refusal that left nothing": [["!ax1"], ["rx"]],
    "what a refused transaction has read": [["!rx7"]],
    "its own appends are seen": [["ax1 rx1 ax2 rx12"], ["rx12"]],
    "appends of one transaction in a row": [["ax1 ax2", "ax3"], ["rx312"]],
    "nobody ever reads": [["ax1 ay1", "ax2"]],
}
ANOMALIES: dict[str, tuple[str, list[list[str]], int]] = {
    "dirty write": ("G0", [["ax1 ay1", "ax2 ay2"], ["rx12 ry21"]], 2),
    "dirty write of three": ("G0", [["ax1 az1", "ax2 ay2", "ay3 az3"], ["rx12 ry23 rz31"]], 3),
    "aborted read": ("G1a", [["!ax1", "rx1"]], 0),
    "aborted read, overwritten": ("G1a", [["!ax1", "ax2"], ["rx12"]], 0),
    "intermediate read": ("G1b", [["ax1 ax2", "rx1"], ["rx12"]], 0),
    "circular information flow": ("G1c", [["ax1 ry1", "ay1 rx1"]], 2),
    "circular flow over a write": ("G1c", [["ax1 ry1", "ax2 ay1"], ["rx12"]], 2),
    "circular flow over a write that nobody sees": ("G1c", [["ax1 ry1", "ax2 ay1", "rx1"]], 2),
    "half of an unknown outcome": ("G-single", [["?ax1 ay1", "rx1 ry"]], 2),
    "read skew": ("G-single", [["rx ry1", "ax1 ay1"], ["rx1 ry1"]], 2),
    "lost update": ("G-single", [["rx ax1", "rx ax2"], ["rx12"]], 2),
    "non-repeatable read": ("internal", [["rx rx1", "ax1"]], 0),
    "write skew": ("G2-item", [["rx ay1", "ry ax1"], ["rx1 ry1"]], 2),
    "write skew that nobody looks at": ("G2-item", [["rx ay1", "ry ax1"]], 2),
    "write skew of three": ("G2-item", [["rx ay1", "ry az1", "rz ax1"]], 3),
    "long fork": ("G2-item", [["ax1", "ay1", "rx1 ry", "rx ry1"]], 4),
    "stale read": ("G-single-realtime", [["ax1"], ["rx", "rx1"]], 2),
    "stale read of an unknown outcome": ("G-single-realtime", [["?ax1"], ["rx1"], ["rx"]], 3),
    "late write": ("G0-realtime", [["ax1"], ["ax2"], ["rx21"]], 2),
    "read from the future": ("G1c-realtime", [["rx1"], ["ax1"]], 2),
    "read-only anomaly": ("G2-item-realtime", [["ay1", "~ry ax1"], ["rx"]], 3),
    "lost": ("lost", [["ax1"], ["rx"]], 0),
    "lost in the middle": ("lost", [["ax1"], ["ax2"], ["rx2"]], 0),
    "duplicate": ("duplicate", [["ax1"], ["rx11"]], 0),
    "duplicate further back": ("duplicate", [["ax1", "ax2"], ["rx121"]], 0),
    "unwritten": ("unwritten", [["rx7"]], 0),
    "incompatible order": ("incompatible-order", [["ax1", "ax2"], ["rx12", "rx21"]], 0),
    "fork": ("incompatible-order", [["ax1", "ax2"], ["rx1", "rx2"]], 0),
    "its appends the other way round": ("incompatible-order", [["ax1 ax2"], ["rx21"]], 0),
    "the second of its appends alone": ("incompatible-order", [["ax1 ax2", "rx2"]], 0),
    "its appends torn apart": ("G0", [["ax1 ax2", "ax3"], ["rx132"]], 2),
    "blind to itself": ("internal", [["ax1 rx"], ["rx1"]], 0),
    "ahead of itself": ("internal", [["rx1 ax1"]], 0),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_good_history_is_clean(name: str) -> None:
    assert check(history(*CLEAN[name])) == []


@pytest.mark.parametrize("name", ANOMALIES)
def test_a_bad_history_shows_its_anomaly(name: str) -> None:
    kind, stages, length = ANOMALIES[name]

    found = [anomaly for anomaly in check(history(*stages)) if anomaly.kind == kind]

    assert found, check(history(*stages))
    if length:
        assert {len(anomaly.cycle) for anomaly in found} == {length}


def test_a_cycle_is_told_by_its_transactions_and_dependencies() -> None:
    (found,) = check(history(["rx ry1", "ax1 ay1"], ["rx1 ry1"]))

    assert found.cycle == (0, 1)
    assert found.what == "T0 rw over 0 → T1 wr over 1 → T0"


def test_a_loss_is_no_cycle_as_well() -> None:
    assert kinds(history(["ax1"], ["rx"])) == {"lost"}


def test_time_is_left_out_where_it_is_not_asked_for() -> None:
    stale = history(["ax1"], ["rx", "rx1"])

    assert kinds(stale) == {"G-single-realtime"}
    assert kinds(stale, realtime=False) == set()


def test_a_value_that_is_appended_twice_is_no_history() -> None:
    with pytest.raises(ValueError):
        check(history(["ax1", "ax1"]))


def test_the_shortest_of_several_cycles_is_shown() -> None:
    long_way = ["rx rw ay1", "ry az1", "rz ax1"]

    (found,) = check(history([*long_way, "ry aw1"]))

    assert found.cycle == (0, 3)


# ---- histories by chance -----------------------------------------------------------------------


def serial(dice: Random, size: int, keys: int = 3) -> list[Transaction]:
    """What a database would show that runs one transaction at a time, to impatient clients.

    It ends with two readers of everything, one after the other.
    """
    lists: list[tuple[int, ...]] = [()] * keys
    values = count(1)
    moments: list[tuple[float, int, bool]] = []
    made: list[tuple[Type, Micros]] = []
    for number in range(size):
        kind: Type = dice.choices(("ok", "fail", "info"), (8, 1, 1))[0]
        happens = kind == "ok" or (kind == "info" and dice.random() < 0.5)
        after, done = lists.copy(), list[Append | Read]()
        for _ in range(dice.randint(1, 4)):
            key = dice.randrange(keys)
            if dice.random() < 0.5:
                done.append(Append(key, next(values)))
                after[key] += (done[-1][1],)  # type: ignore[operator]
            else:
                done.append(Read(key, after[key] if kind == "ok" else None))
        lists = after if happens else lists
        made.append((kind, tuple(done)))
        moments.append((number - dice.random() * 4, number, False))
        moments.append((number + dice.random() * 4, number, True))
    everything = tuple(Read(key, lists[key]) for key in range(keys))
    for number in (size, size + 1):
        made.append(("ok", everything))
        moments += [(number + 10 + number, number, False), (number + 10.5 + number, number, True)]
    began: dict[int, int] = {}
    ended: dict[int, int] = {}
    for place, (_, number, ends) in enumerate(sorted(moments)):
        (ended if ends else began)[number] = place
    return sorted(
        (
            Transaction(began[number], None if kind == "info" else ended[number], kind, done)
            for number, (kind, done) in enumerate(made)
        ),
        key=lambda one: one.began,
    )


def rewritten(
    made: list[Transaction], number: int, change: Callable[[Read], Read]
) -> list[Transaction]:
    """The history with the reads of one transaction changed."""
    new = tuple(change(m) if isinstance(m, Read) else m for m in made[number].value)
    return [*made[:number], replace(made[number], value=new), *made[number + 1 :]]


def longest(made: list[Transaction], dice: Random, least: int) -> Read:
    """A list of so many values at least, as the last reader saw it."""
    fits = [m for m in made[-1].value if isinstance(m, Read) and len(m.values or ()) >= least]
    assume(fits)
    return dice.choice(fits)


def acknowledged(made: list[Transaction], key: int, values: tuple[int, ...] | None) -> list[int]:
    """Those of a list's values whose writer was told so: others may come about at any time."""
    told = {m for one in made if one.type == "ok" for m in one.value if isinstance(m, Append)}
    return [value for value in values or () if Append(key, value) in told]


def swap(made: list[Transaction], dice: Random) -> list[Transaction]:
    """The last reader sees two neighbours the other way round."""
    key, seen = longest(made, dice, 2)
    assert seen is not None
    at = dice.randrange(len(seen) - 1)
    wrong = (*seen[:at], seen[at + 1], seen[at], *seen[at + 2 :])
    return rewritten(made, -1 % len(made), lambda r: Read(key, wrong) if r.key == key else r)


def forget(made: list[Transaction], dice: Random) -> list[Transaction]:
    """The last reader does not see the last value any more."""
    key, seen = longest(made, dice, 1)
    assert seen is not None
    return rewritten(made, -1 % len(made), lambda r: Read(key, seen[:-1]) if r.key == key else r)


def lose(made: list[Transaction], dice: Random) -> list[Transaction]:
    """A value that was acknowledged is seen by nobody."""
    key, seen = longest(made, dice, 1)
    known = acknowledged(made, key, seen)
    assume(known)
    gone = dice.choice(known)

    def without(read: Read) -> Read:
        return Read(read.key, tuple(v for v in read.values or () if (read.key, v) != (key, gone)))

    for number, one in enumerate(made):
        if one.type == "ok":
            made = rewritten(made, number, without)
    return made


def double(made: list[Transaction], dice: Random) -> list[Transaction]:
    """A value is in its list once more."""
    key, seen = longest(made, dice, 1)
    assert seen is not None
    twice = (*seen, dice.choice(seen))
    return rewritten(made, -1 % len(made), lambda r: Read(key, twice) if r.key == key else r)


def invent(made: list[Transaction], dice: Random) -> list[Transaction]:
    """A value is seen that nobody appended."""
    key, seen = longest(made, dice, 0)
    assert seen is not None
    return rewritten(made, -1 % len(made), lambda r: Read(key, (*seen, -1)) if r.key == key else r)


def deny(made: list[Transaction], dice: Random) -> list[Transaction]:
    """Who appended what was seen is told that she was refused."""
    key, seen = longest(made, dice, 1)
    assert seen is not None
    value = dice.choice(seen)
    (number,) = (n for n, one in enumerate(made) if Append(key, value) in one.value)
    ended = made[number].ended or made[-1].ended
    return [*made[:number], replace(made[number], type="fail", ended=ended), *made[number + 1 :]]


def tear(made: list[Transaction], dice: Random) -> list[Transaction]:
    """One reader of everything sees an earlier state of one list than of the others."""
    key, seen = longest(made, dice, 1)
    assert seen is not None
    early = seen[: dice.randrange(len(seen))]
    assume(acknowledged(made, key, seen[len(early) :]))
    return rewritten(made, len(made) - 2, lambda r: Read(key, early) if r.key == key else r)


STALE = {"G-single", "G2-item", "G-single-realtime", "G2-item-realtime"}
MUTATIONS: dict[Callable[[list[Transaction], Random], list[Transaction]], set[str]] = {
    swap: {"incompatible-order"},
    forget: STALE,
    lose: {"lost", "internal"},
    double: {"duplicate"},
    invent: {"unwritten"},
    deny: {"G1a"},
    tear: STALE,
}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 25))
def test_what_a_serial_executor_shows_is_clean(seed: int, size: int) -> None:
    assert check(serial(Random(seed), size)) == []


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 25))
def test_one_wrong_thing_is_found(
    mutate: Callable[[list[Transaction], Random], list[Transaction]], seed: int, size: int
) -> None:
    dice = Random(seed)

    wrong = mutate(serial(dice, size), dice)

    assert kinds(wrong) & MUTATIONS[mutate]


def test_a_hundred_thousand_transactions_take_seconds() -> None:
    parts = [serial(Random(seed), 98) for seed in range(10)]
    made = [
        shifted
        for number in range(1000)
        for shifted in later(parts[number % 10], moments=1000 * number, keys=3 * number)
    ]
    began = time.process_time()

    assert check(made) == []
    assert len(made) == 100_000
    assert time.process_time() - began < 30


def test_one_cycle_through_all_of_a_large_history_is_named() -> None:
    size = 10_000
    ring = [
        Transaction(n, size + n, "ok", (Read(n, ()), Append((n + 1) % size, 1)))
        for n in range(size)
    ]

    (found,) = check(ring)

    assert found.kind == "G2-item"
    assert len(found.cycle) == size


def later(made: list[Transaction], *, moments: int, keys: int) -> Iterator[Transaction]:
    """The same with other lists, so much later."""
    for one in made:
        yield Transaction(
            one.began + moments,
            None if one.ended is None else one.ended + moments,
            one.type,
            tuple(micro._replace(key=micro.key + keys) for micro in one.value),
        )


# ---- histories of real transactions ------------------------------------------------------------

LEVELS = {
    "read committed": psycopg.IsolationLevel.READ_COMMITTED,
    "repeatable read": psycopg.IsolationLevel.REPEATABLE_READ,
    "serializable": psycopg.IsolationLevel.SERIALIZABLE,
}
ABORTED = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
SCHEDULES = {
    "read skew": "0rx 1ax 1ay 1. 0ry 0.",
    "lost update": "0rx 1rx 1ax 1. 0ax 0.",
    "write skew": "0rx 1ry 0ay 1ax 0. 1.",
    "non-repeatable read": "0rx 1ax 1. 0rx 0.",
}
"""Session, then what it does: r reads, a appends, a dot commits."""
SHOWN = {
    "read committed": {
        "read skew": {"G-single"},
        "lost update": {"G-single"},
        "write skew": {"G2-item"},
        "non-repeatable read": {"internal", "G-single"},
    },
    "repeatable read": {"write skew": {"G2-item"}},
    "serializable": {},
}
"""Anomalies of each schedule at each level; none where nothing is said."""
ALLOWED = {
    "read committed": {"internal", "G-single", "G2-item"},
    "repeatable read": {"G2-item"},
    "serializable": set[str](),
}


class Lists:
    """Lists in a table, and sessions at a level that append to them, recorded."""

    def __init__(self, database: Database, level: str, sessions: int) -> None:
        self.recorder = Recorder(sessions)
        self._values = count(1)
        login = database.dsn("supabase_admin")
        with psycopg.connect(login, autocommit=True) as admin:
            admin.execute("create table lists (key int primary key, seen int[] not null)")
            admin.execute("insert into lists select k, '{}' from generate_series(0, 3) as k")
        self._open = [psycopg.connect(login) for _ in range(sessions)]
        for connection in self._open:
            connection.isolation_level = LEVELS[level]

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def draw(self, step: str) -> Append | Read:
        """What `ax` or `rx` stands for: the next value is appended."""
        key = KEYS.index(step[1])
        return Append(key, next(self._values)) if step[0] == "a" else Read(key)

    def do(self, session: int, micro: Append | Read) -> Append | Read:
        """Do one thing in the session's transaction."""
        connection = self._open[session]
        if isinstance(micro, Append):
            append = "update lists set seen = seen || %s::int where key = %s"
            connection.execute(append, [micro.value, micro.key])
            return micro
        row = connection.execute("select seen from lists where key = %s", [micro.key]).fetchone()
        assert row is not None
        return Read(micro.key, tuple(row[0]))

    def run(self, session: int, steps: Sequence[str]) -> None:
        """Do a whole transaction, recorded."""
        wanted = tuple(map(self.draw, steps))

        def act() -> Micros:
            try:
                done = tuple(self.do(session, micro) for micro in wanted)
                self._open[session].commit()
            except ABORTED:
                self._open[session].rollback()
                raise Denied from None
            return done

        self.recorder.attempt(session, wanted, act)

    def interleave(self, schedule: str) -> None:
        """Step through transactions of several sessions; one that is aborted is left out then."""
        steps = [(int(word[0]), word[1:]) for word in schedule.split()]
        left = {session for session, _ in steps}
        wanted = {
            session: [self.draw(step) for who, step in steps if who == session and step != "."]
            for session in left
        }
        for session in sorted(left):
            self.recorder.add(session, "invoke", tuple(wanted[session]))
        done: dict[int, list[Append | Read]] = {session: [] for session in left}
        for session, step in steps:
            if session not in left:
                continue
            try:
                if step == ".":
                    self._open[session].commit()
                    self.recorder.add(session, "ok", tuple(done[session]))
                else:
                    done[session].append(self.do(session, wanted[session][len(done[session])]))
            except ABORTED:
                self._open[session].rollback()
                self.recorder.add(session, "fail", tuple(wanted[session]))
                left.remove(session)

    def kinds(self) -> set[str]:
        """What the history shows, once everything has been read. Postgres promises no more than
        serializable: real time is left out."""
        self.run(0, [f"r{key}" for key in KEYS])
        return kinds(transactions(self.recorder.operations), realtime=False)


@pytest.fixture
def lists(db: Database) -> Iterator[Callable[[str, int], Lists]]:
    made: list[Lists] = []

    def make(level: str, sessions: int) -> Lists:
        made.append(Lists(db, level, sessions))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("level", LEVELS)
def test_postgres_shows_at_a_level_what_it_should(
    lists: Callable[[str, int], Lists], level: str, schedule: str
) -> None:
    table = lists(level, 2)

    table.interleave(SCHEDULES[schedule])

    assert table.kinds() == SHOWN[level].get(schedule, set())


@pytest.mark.parametrize("level", LEVELS)
def test_crowded_transactions_show_nothing_that_their_level_forbids(
    lists: Callable[[str, int], Lists], level: str
) -> None:
    table = lists(level, 4)

    def client(session: int) -> None:
        dice = Random(session)
        for _ in range(30):
            size = dice.randint(1, 4)
            table.run(session, [dice.choice("ar") + dice.choice(KEYS) for _ in range(size)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client, range(4)))

    assert table.kinds() <= ALLOWED[level]
