"""Amounts as people write them, and as the ledger counts them: whole minor units, never floats."""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["MAX_AMOUNT", "exchange_amount", "format", "normal_balance", "parse"]

MAX_AMOUNT = 2**53 - 1
_DECIMAL = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?", re.ASCII)
_NORMALLY_NEGATIVE = {"liability", "income", "equity"}
_NORMALLY_POSITIVE = {"asset", "expense"}


def parse(text: str, exponent: int) -> int:
    """Return the minor units of a decimal: `parse("12.34", 2)` is 1234.

    Args:
        text: Digits with an optional sign and an optional point; no grouping, no exponent.
        exponent: The currency's number of places.

    Raises:
        ValueError: Not such a number, more places than the currency has, or beyond ±(2^53-1).
    """
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount: write it like 1234.56")
    sign, whole, places = match[1], match[2], match[3] or ""
    if len(places) > exponent:
        allowed = f"{exponent} decimal places" if exponent else "no decimal places"
        raise ValueError(f"{text!r} is too fine: the currency has {allowed}")
    digits = (whole + places.ljust(exponent, "0")).lstrip("0") or "0"
    if len(digits) > len(str(MAX_AMOUNT)) or int(digits) > MAX_AMOUNT:
        raise ValueError(f"{text!r} is too large: the limit is {format(MAX_AMOUNT, exponent)}")
    return -int(digits) if sign == "-" else int(digits)


def format(amount: int, exponent: int) -> str:
    """Return minor units as a decimal with the currency's places: `format(1234, 2)` is "12.34".

    Raises:
        ValueError: Beyond ±(2^53-1).
        TypeError: Not an int.
    """
    if type(amount) is not int:
        raise TypeError(f"an amount is an int of minor units, not {amount!r}")
    if abs(amount) > MAX_AMOUNT:
        raise ValueError(f"{amount} is beyond ±{MAX_AMOUNT}")
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    whole, places = digits[: len(digits) - exponent], digits[len(digits) - exponent :]
    return ("-" if amount < 0 else "") + whole + ("." + places if exponent else "")


def normal_balance(amount: int, account_type: str) -> int:
    """Return a balance as its type's readers expect it: income of -500 is shown as 500.

    Args:
        amount: Minor units, as the ledger signs them.
        account_type: asset, expense (normally positive), liability, income, equity (negative).

    Raises:
        ValueError: No such type.
    """
    if account_type in _NORMALLY_NEGATIVE:
        return -amount
    if account_type in _NORMALLY_POSITIVE:
        return amount
    raise ValueError(f"{account_type!r} is not an account type")


def exchange_amount(amount: int, rate: Decimal, *, sell_exponent: int, buy_exponent: int) -> int:
    """Return what an amount buys in another currency, rounded down.

    There and back, at rates whose product is at most 1, it never gives more than it took.

    Args:
        amount: Minor units of the currency that is sold, not negative.
        rate: Units of the bought currency for one unit of the sold: 1.0876 USD for one EUR.
        sell_exponent: Places of the currency that is sold.
        buy_exponent: Places of the currency that is bought.

    Raises:
        ValueError: The amount is negative, the rate not a positive number, or one of the two
            amounts beyond 2^53-1.
        TypeError: The amount is no int, or the rate no Decimal.
    """
    if type(amount) is not int or not isinstance(rate, Decimal):
        raise TypeError(f"expected an int and a Decimal, got {amount!r} and {rate!r}")
    if not 0 <= amount <= MAX_AMOUNT:
        raise ValueError(f"{amount} is not from 0 to {MAX_AMOUNT}")
    if not rate.is_finite() or rate <= 0 or abs(rate.adjusted()) > 40:
        raise ValueError(f"{rate} is not a rate")
    numerator, denominator = rate.as_integer_ratio()
    bought: int = amount * numerator * 10**buy_exponent // (denominator * 10**sell_exponent)
    if bought > MAX_AMOUNT:
        raise ValueError(f"{bought} is beyond {MAX_AMOUNT}")
    return bought
