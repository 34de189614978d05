"""Amounts as people write them, and as the ledger counts them: whole minor units, never floats."""

from __future__ import annotations

import re

__all__ = ["MAX_AMOUNT", "format", "normal_balance", "parse"]

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
