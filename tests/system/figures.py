"""What the tests measure: kept with their reports, and told at the end of the run, for the README."""

from collections.abc import Callable
from typing import Final

FIGURE: Final = "figure"
"""The name of the property that the topmost conftest.py looks for."""


class Figures:
    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record_property = record_property

    def seconds(self, name: str, seconds: float) -> None:
        self._record_property(FIGURE, f"{name}: {seconds:.2f} s")

    def number(self, name: str, number: float) -> None:
        self._record_property(FIGURE, f"{name}: {number:.0f}")

    def milliseconds(self, name: str, seconds: float) -> None:
        self._record_property(FIGURE, f"{name}: {seconds * 1000:.0f} ms")
