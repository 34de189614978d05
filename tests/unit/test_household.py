"""The household's CSV: what ships is sound, and what is wrong is named by line and column."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillroll.assets import asset
from tillroll.local.household import Household, HouseholdError, exponents, read

ROOT = Path(__file__).parents[2]
HEADER = "date,from,to,amount,currency,description"
OPENING = "2025-01-01,equity:opening,assets:bank,100.00,EUR,Opening"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(*lines: str, header: str = HEADER) -> Path:
        path = tmp_path / "mine.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return writer


def places(path: Path) -> list[tuple[int, str]]:
    with pytest.raises(HouseholdError) as refused:
        read(path)
    return [(problem.line, problem.column) for problem in refused.value.problems]


@pytest.fixture(scope="module")
def shipped() -> Household:
    return read(asset("sql/seed/household.csv"))


def test_the_shipped_year_is_a_year_in_three_exponents(shipped: Household) -> None:
    assert 1_400 <= len(shipped.bookings) <= 1_600
    days = [booking.day for booking in shipped.bookings]
    assert days == sorted(days)
    assert days[0] == date(2025, 1, 1)
    assert days[-1] == date(2025, 12, 31)
    currencies = {booking.currency for booking in shipped.bookings}
    assert {exponents()[currency] for currency in currencies} == {0, 2, 3}


def test_the_shipped_year_closes_above_every_floor(shipped: Household) -> None:
    for code, account in shipped.accounts.items():
        assert account.floor is None or shipped.closing[code] >= account.floor
    assert shipped.accounts["liabilities:card"].floor == -500_000
    for currency in ("EUR", "JPY", "KWD"):
        held = [
            shipped.closing[a.code] for a in shipped.accounts.values() if a.currency == currency
        ]
        assert sum(held) == 0


def test_the_shipped_year_is_what_its_generator_writes() -> None:
    generator = ROOT / "client" / "tools" / "make_household.py"
    assert subprocess.run([sys.executable, generator, "--check"]).returncode == 0


def test_rows_are_booked_by_date_and_within_a_day_as_they_stand(write: Write) -> None:
    spent = "2025-01-01,assets:bank,expenses:food,60.00,EUR,"
    household = read(write("2025-01-02,assets:bank,expenses:food,40.00,EUR,", OPENING, spent))
    assert [booking.line for booking in household.bookings] == [3, 4, 2]
    assert household.closing == {
        "assets:bank": 0,
        "expenses:food": 10_000,
        "equity:opening": -10_000,
    }


def test_columns_may_stand_in_any_order_and_a_byte_order_mark_is_no_fault(write: Write) -> None:
    header = "\ufeffcurrency,amount,To,From,Date,description"
    line = 'KWD,3.25,assets:bank,equity:opening,2025-01-01,"Opening, at last"'
    (booking,) = read(write(line, header=header)).bookings
    assert (booking.amount, booking.description) == (3250, "Opening, at last")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("2025-02-30,assets:bank,expenses:food,1.00,EUR,", "date"),
        ("1.2.2025,assets:bank,expenses:food,1.00,EUR,", "date"),
        (",assets:bank,expenses:food,1.00,EUR,", "date"),
        ("2025-02-01,bank,expenses:food,1.00,EUR,", "from"),
        ("2025-02-01,assets:,expenses:food,1.00,EUR,", "from"),
        ("2025-02-01,assets:bank,assets:bank,1.00,EUR,", "to"),
        ("2025-02-01,assets:bank,expenses::food,1.00,EUR,", "to"),
        (f"2025-02-01,assets:bank,expenses:{'x' * 255},1.00,EUR,", "to"),
        ("2025-02-01,assets:bank,expenses:food,1.001,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,0.00,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,-1.00,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,1e1,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,NaN,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,99999999999999999999,EUR,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,,EUR,", "amount"),
        ("2025-02-01,assets:yen,expenses:food-jpy,1.5,JPY,", "amount"),
        ("2025-02-01,assets:bank,expenses:food,1.00,eur,", "currency"),
        ("2025-02-01,assets:bank,expenses:food,1.00,QQQ,", "currency"),
        ("2025-02-01,assets:bank,expenses:food,1.00", "currency"),
        ("2025-02-01,assets:bank,expenses:food,1.00,EUR,a,b", "7"),
        (f"2025-02-01,assets:bank,expenses:food,1.00,EUR,{'é' * 501}", "description"),
        ("2025-02-01,assets:bank,expenses:food,100.01,EUR,", "amount"),
        ("2025-02-01,liabilities:card,expenses:food,5000.01,EUR,", "amount"),
        ('2025-02-01,assets:bank,expenses:food,1.00,EUR,"open', ""),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(write: Write, line: str, place: str) -> None:
    assert places(write(OPENING, line)) == [(3, place)]


def test_a_code_has_one_currency(write: Write) -> None:
    other = "2025-01-02,equity:opening:usd,assets:bank,5.00,USD,"
    assert places(write(OPENING, other)) == [(3, "currency")]


def test_all_that_is_wrong_is_named_at_once(write: Write) -> None:
    bad = "yesterday,bank,food,free,XXX!,"
    found = places(write(bad, OPENING, bad))
    assert found == [(line, c) for line in (2, 4) for c in ("date", "currency", "from", "to")]


def test_lines_are_counted_as_an_editor_does_across_quoted_line_ends(write: Write) -> None:
    quoted = '2025-01-02,equity:opening,assets:bank,1.00,EUR,"two\nlines"'
    assert places(write(quoted, "never,assets:bank,expenses:food,1.00,EUR,")) == [(4, "date")]


def test_more_problems_than_a_person_reads_are_counted(write: Write) -> None:
    bad = "never,assets:bank,expenses:food,1.00,EUR,"
    with pytest.raises(HouseholdError) as refused:
        read(write(*[bad] * 80))
    assert (len(refused.value.problems), refused.value.total) == (50, 80)


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("date,from,to,amount,currency", "description"),
        (f"{HEADER},note", "note"),
        (f"{HEADER},date", "date"),
        (HEADER.replace(",", ";"), ""),
    ],
)
def test_a_header_that_is_wrong_is_named(write: Write, header: str, place: str) -> None:
    assert places(write(OPENING, header=header)) == [(1, place)]


def test_an_empty_file_and_one_without_rows_hold_no_bookings(write: Write, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert places(empty) == [(1, "")]
    assert places(write()) == [(2, "")]


def test_another_encoding_is_named_by_its_line(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes(f"{HEADER}\n{OPENING}\n{OPENING} f\u00fcr uns\n".encode("latin-1"))
    assert places(latin) == [(3, "")]


row = st.tuples(
    st.integers(1, 28),
    st.sampled_from(["assets:a", "assets:b", "assets:c", "equity:opening"]),
    st.sampled_from(["assets:a", "assets:b", "expenses:x"]),
    st.integers(1, 500),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=60), size=st.integers(1, 16))
def test_any_order_within_a_batch_keeps_every_floor(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int]], size: int
) -> None:
    path = tmp_path_factory.mktemp("batches") / "mine.csv"
    funds = ["2025-01-01,equity:opening,assets:a,5.00,EUR,"]
    lines = [f"2025-01-{d:02},{g},{t},{n / 100:.2f},EUR," for d, g, t, n in rows if g != t]
    path.write_text("\n".join([HEADER, *funds, *lines]))
    try:
        household = read(path)
    except HouseholdError:
        return
    held = dict.fromkeys(household.accounts, 0)
    batches = household.batches(size)
    assert [b for batch in batches for b in batch] == list(household.bookings)
    for batch in batches:
        assert 1 <= len(batch) <= size
        for booking in batch:  # the worst order: all that goes out first
            held[booking.giver] -= booking.amount
        for code, account in household.accounts.items():
            assert account.floor is None or held[code] >= account.floor
        for booking in batch:
            held[booking.taker] += booking.amount
    assert held == household.closing
