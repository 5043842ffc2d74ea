# ruff: noqa: RUF001 - letters and digits of other scripts are the point here
import pytest
from gateway.preferences import preferred_wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("WAIT=10", 10),
        ("Wait = 10", 10),
        ("  wait=10  ", 10),
        ("respond-async, wait=10", 10),
        ("respond-async,wait=10;strict, handling=lenient", 10),
        ('return=minimal; note="a, wait=3", wait=5', 5),
        ('x="wait=3", wait=5', 5),
        ('x="a\\", wait=3", wait=5', 5),
        ("wait=5, wait=10", 5),
        (",, wait=5,", 5),
        ("wait=0", 0),
        ("wait=007", 7),
        ("wait=30", 30),
        ("wait=31", 30),
        ("wait=" + "9" * 5000, 30),
        ("wait=" + "0" * 5000 + "9", 9),
    ],
)
def test_the_first_wait_counts_and_is_at_most_30_seconds(header: str, seconds: int) -> None:
    assert preferred_wait(header) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "",
        "wait",
        "wait=",
        "wait=abc",
        "wait=-1",
        "wait=1.5",
        "wait=+1",
        "wait=١٠",
        'wait="10"',
        "waiting=10",
        "x-wait=10",
        "wait==10",
        "wait 10",
        ";wait=10",
        "=wait",
        '"wait=10',
        "wait=1 0",
        "\x00",
        "respond-async; wait=10",
    ],
)
def test_what_is_malformed_or_something_else_is_ignored(header: str) -> None:
    assert preferred_wait(header) is None
