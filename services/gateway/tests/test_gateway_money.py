# ruff: noqa: RUF001 - letters and digits of other scripts are the point here
import pytest
from gateway.money import is_currency, to_decimal, to_minor
from iso4217 import Currency

CURRENCIES = [currency.code for currency in Currency if currency.exponent is not None]


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("25.00", "EUR", 2500),
        ("25", "EUR", 2500),
        ("25.5", "EUR", 2550),
        ("0.01", "EUR", 1),
        ("0.00", "EUR", 0),
        ("007.10", "EUR", 710),
        ("999999999999.99", "USD", 99999999999999),
        ("1", "JPY", 1),
        ("999999999999", "JPY", 999999999999),
        ("1.234", "KWD", 1234),
        ("1.2", "BHD", 1200),
        ("1.2345", "CLF", 12345),
        ("0.0001", "UYW", 1),
        ("3", "ISK", 3),
    ],
)
def test_an_amount_becomes_minor_units_with_the_digits_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (2500, "EUR", "25.00"),
        (1, "EUR", "0.01"),
        (0, "EUR", "0.00"),
        (-1, "EUR", "-0.01"),
        (-2550, "EUR", "-25.50"),
        (100, "JPY", "100"),
        (-7, "JPY", "-7"),
        (0, "JPY", "0"),
        (1234, "KWD", "1.234"),
        (1, "CLF", "0.0001"),
        (10**18, "EUR", "10000000000000000.00"),
    ],
)
def test_minor_units_become_the_normalised_amount(minor: int, currency: str, amount: str) -> None:
    assert to_decimal(minor, currency) == amount


@pytest.mark.parametrize("currency", CURRENCIES)
def test_every_currency_converts_there_and_back(currency: str) -> None:
    for minor in (0, 1, 9, 10, 99, 100, 12345, 99999999999):
        assert to_minor(to_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize(
    "amount",
    [
        "",
        " ",
        "25.00 ",
        " 25.00",
        "25.00\n",
        "\n25",
        "+25.00",
        "-25.00",
        "25.",
        ".50",
        "25,00",
        "1,000.00",
        "1_000",
        "1 000",
        "25.001",
        "1e3",
        "1E3",
        "0x10",
        "NaN",
        "Infinity",
        "25.0.0",
        "1234567890123.00",
        "0000000000001",
        "٢٥.٠٠",
        "２５.００",
        "25．00",
        "²5",
        "𝟐𝟓",
        "25.0٠",
        "25\x00",
        "25\u200b",
        "\u22125",
        "0.00000",
    ],
)
def test_what_is_not_a_plain_decimal_number_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="must"):
        to_minor(amount, "EUR")


@pytest.mark.parametrize(
    ("amount", "currency"), [("1.0", "JPY"), ("1.00", "KRW"), ("1.2345", "KWD"), ("1.23456", "CLF"), ("1.000", "USD")]
)
def test_more_digits_than_the_currency_has_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="must"):
        to_minor(amount, currency)


@pytest.mark.parametrize(
    "code", ["XAU", "XXX", "XTS", "XDR", "eur", "Eur", "EU", "EURO", "", "DEM", "ЕUR", "978", "EUR "]
)
def test_what_has_no_minor_units_or_is_no_iso_code_is_not_a_currency(code: str) -> None:
    assert not is_currency(code)
