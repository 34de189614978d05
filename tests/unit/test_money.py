from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tillroll import money

amounts = st.integers(-money.MAX_AMOUNT, money.MAX_AMOUNT)
exponents = st.integers(0, 8)


@given(amounts, exponents)
def test_what_format_writes_parse_reads(amount: int, exponent: int) -> None:
    assert money.parse(money.format(amount, exponent), exponent) == amount


@given(amounts, exponents)
def test_format_writes_the_exact_decimal(amount: int, exponent: int) -> None:
    assert Decimal(money.format(amount, exponent)) == Decimal(amount).scaleb(-exponent)


@pytest.mark.parametrize(
    ("text", "exponent", "amount"),
    [
        ("12.34", 2, 1234),
        ("12", 2, 1200),
        ("12.3", 2, 1230),
        ("-0.05", 2, -5),
        ("+7", 0, 7),
        (" 1.005 ", 3, 1005),
        ("0", 2, 0),
        ("0000012.34", 2, 1234),
        ("90071992547409.91", 2, money.MAX_AMOUNT),
    ],
)
def test_parse_counts_minor_units(text: str, exponent: int, amount: int) -> None:
    assert money.parse(text, exponent) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "1,000.00",
        "1e3",
        "NaN",
        "inf",
        "--1",
        "1 000",
        "0x10",
        "１２",
        "12.345",
    ],
)
def test_parse_refuses_what_is_no_amount_of_the_currency(text: str) -> None:
    with pytest.raises(ValueError):
        money.parse(text, 2)


@pytest.mark.parametrize(("text", "exponent"), [("1.0", 0), ("0.000", 2), ("9" * 5000, 0)])
def test_parse_refuses_places_and_sizes_that_do_not_fit(text: str, exponent: int) -> None:
    with pytest.raises(ValueError):
        money.parse(text, exponent)


def test_the_bound_is_the_last_integer_that_javascript_holds() -> None:
    with pytest.raises(ValueError):
        money.parse(str(2**53), 0)
    with pytest.raises(ValueError):
        money.format(-(2**53), 2)


@pytest.mark.parametrize("amount", [1.0, True, "1", Decimal(1)])
def test_format_takes_nothing_but_an_int(amount: object) -> None:
    with pytest.raises(TypeError):
        money.format(amount, 2)  # type: ignore[arg-type]


def test_what_is_normally_negative_is_shown_positive() -> None:
    shown = {
        kind: money.normal_balance(-500, kind)
        for kind in ("asset", "expense", "liability", "income", "equity")
    }
    assert shown == {"asset": -500, "expense": -500, "liability": 500, "income": 500, "equity": 500}
    with pytest.raises(ValueError):
        money.normal_balance(1, "assets")


rates = st.decimals("1e-9", "1e9", places=9, allow_nan=False)


@given(st.integers(0, 10**9), rates, exponents, exponents)
def test_what_is_bought_is_rounded_down(amount: int, rate: Decimal, sell: int, buy: int) -> None:
    exact = Fraction(amount) * Fraction(rate) * Fraction(10) ** (buy - sell)
    if exact > money.MAX_AMOUNT:
        with pytest.raises(ValueError):
            money.exchange_amount(amount, rate, sell_exponent=sell, buy_exponent=buy)
    else:
        bought = money.exchange_amount(amount, rate, sell_exponent=sell, buy_exponent=buy)
        assert bought <= exact < bought + 1


@given(st.integers(0, 10**12), st.decimals("1e-3", "1e3", places=9), exponents, exponents)
def test_there_and_back_never_makes_money(amount: int, rate: Decimal, sell: int, buy: int) -> None:
    back = Context(prec=28, rounding=ROUND_DOWN).divide(Decimal(1), rate)
    try:
        bought = money.exchange_amount(amount, rate, sell_exponent=sell, buy_exponent=buy)
        returned = money.exchange_amount(bought, back, sell_exponent=buy, buy_exponent=sell)
    except ValueError:
        assume(False)
    assert returned <= amount


def test_places_of_both_currencies_count() -> None:
    rate = Decimal("162.35")
    assert money.exchange_amount(100_00, rate, sell_exponent=2, buy_exponent=0) == 16_235
    assert money.exchange_amount(99, rate, sell_exponent=2, buy_exponent=0) == 160
    assert money.exchange_amount(1, Decimal("0.0061"), sell_exponent=0, buy_exponent=2) == 0


@pytest.mark.parametrize(
    ("amount", "rate", "error"),
    [
        (-1, Decimal(1), ValueError),
        (money.MAX_AMOUNT + 1, Decimal("0.1"), ValueError),
        (money.MAX_AMOUNT, Decimal("1.1"), ValueError),
        (1, Decimal(0), ValueError),
        (1, Decimal("-1"), ValueError),
        (1, Decimal("NaN"), ValueError),
        (1, Decimal("Infinity"), ValueError),
        (1, Decimal("1e-999999"), ValueError),
        (1, 1.1, TypeError),
        (1.0, Decimal(1), TypeError),
        (True, Decimal(1), TypeError),
    ],
)
def test_what_is_no_amount_or_no_rate_buys_nothing(
    amount: int, rate: Decimal, error: type[Exception]
) -> None:
    with pytest.raises(error):
        money.exchange_amount(amount, rate, sell_exponent=2, buy_exponent=2)
