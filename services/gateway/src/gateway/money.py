"""The one place that turns `"25.00"` into minor units and back, with the currency's ISO 4217 digits. No float."""

import re
from typing import Final

from iso4217 import Currency

AMOUNT_PATTERN: Final = r"^([0-9]{1,12})(?:\.([0-9]{1,4}))?$"
"""At most 12 digits before the point: the largest amount stays far below a 64-bit integer of minor units."""

_MINOR_DIGITS: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""Without the codes that have no minor unit (gold, testing, "no currency"): they aren't money."""


def is_currency(code: str) -> bool:
    return code in _MINOR_DIGITS


def to_minor(amount: str, currency: str) -> int:
    """`to_minor("25.00", "EUR")` is 2500. Raises ValueError with a sentence for the client."""
    match = re.fullmatch(AMOUNT_PATTERN, amount)
    if match is None:
        raise ValueError('must be a decimal number like "25.00", with at most 12 digits before the point')
    whole, fraction = match.groups(default="")
    digits = _MINOR_DIGITS[currency]
    if len(fraction) > digits:
        raise ValueError(f"must have at most {digits} digits after the point in {currency}")
    return int(whole + fraction.ljust(digits, "0"))


def to_decimal(amount_minor: int, currency: str) -> str:
    """The normalised form, with all of the currency's digits: `to_decimal(-5, "EUR")` is `"-0.05"`."""
    digits = _MINOR_DIGITS[currency]
    sign = "-" if amount_minor < 0 else ""
    padded = str(abs(amount_minor)).rjust(digits + 1, "0")
    return f"{sign}{padded[:-digits]}.{padded[-digits:]}" if digits else sign + padded
