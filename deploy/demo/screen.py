"""Everything that the demo writes: prose, commands, the live view, money, what was checked, links."""

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

import key_press
from demo_errors import NotAsToldError
from rich.console import Console
from rich.live import Live
from rich.rule import Rule
from rich.text import Text
from snapshots import CURRENCY, NOTHING, Snapshot, difference, table_rows

_WIDEST = 80
_READING_SECONDS = 0.8
_REFRESHES_PER_SECOND = 8
_TITLE_WIDTH = 20
_AMOUNT_WIDTH = 16


class Screen:
    def __init__(self, console: Console, *, pauses: bool) -> None:
        self._console = console
        self._pauses = pauses
        self._ends_in_a_gap = False

    @property
    def width(self) -> int:
        return min(self._console.width, _WIDEST)

    def title(self, text: str) -> None:
        self.gap()
        self._write(Text(text, "bold"))
        self.gap()

    def heading(self, text: str) -> None:
        self.gap()
        self._console.print(Rule(Text(text, "bold"), align="left", style="cyan"), width=self.width)
        self._ends_in_a_gap = False
        self.gap()

    def prose(self, text: str) -> None:
        self.gap()
        self._write(Text(textwrap.fill(text, self.width)))
        self.gap()

    def command(self, line: str) -> None:
        """Never wrapped, so that it can be copied."""
        self.gap()
        self._write(Text(textwrap.indent(line, "  "), "bold cyan"))
        if self._pauses:
            time.sleep(_READING_SECONDS)

    def answer(self, fields: Mapping[str, object]) -> None:
        """Some fields of what the API has just answered."""
        shown = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
        self._write(Text(f"  → {{{shown}, …}}", "dim"))

    @contextmanager
    def live(self, view: Callable[[], Text]) -> Iterator[None]:
        """Its last state stays. Where nobody could see it move, that is all that is written."""
        self.gap()
        if not self._console.is_terminal:
            try:
                yield
            finally:
                self._write(view())
                self.gap()
            return
        with Live(get_renderable=view, console=self._console, refresh_per_second=_REFRESHES_PER_SECOND):
            self._ends_in_a_gap = False
            yield
        self.gap()

    def money(self, snapshots: dict[str, Snapshot]) -> None:
        self.gap()
        self._write(Text("  " + _money_line(CURRENCY, list(snapshots)), "dim"))
        for title, amounts in table_rows(snapshots):
            moved = difference(amounts[0], amounts[-1])
            remark = "" if moved == NOTHING else f"   {moved}"
            self._write(Text.assemble("  " + _money_line(title, amounts), (remark, "bold")))
        self.gap()

    def kept(self, told: str) -> None:
        lines = textwrap.fill(told, self.width - 4).replace("\n", "\n    ")
        self._write(Text.assemble(("  ✓ ", "bold green"), lines))

    def broken(self, problem: NotAsToldError) -> None:
        self._write(Text.assemble(("  ✗ ", "bold red"), problem.told))
        self._write(Text(f"    expected  {problem.expected}\n    seen      {problem.seen}", "red"))

    def link(self, title: str, url: str) -> None:
        self._write(Text.assemble((f"  {title:<13}", "dim"), (url, f"underline link {url}")))

    def gap(self) -> None:
        """One empty line, however often it is asked for."""
        if not self._ends_in_a_gap:
            self._write(Text(""))
            self._ends_in_a_gap = True

    def wait_for_key(self, what_comes: str) -> None:
        """Nothing where nobody could press one."""
        if not self._pauses:
            return
        self.gap()
        self._console.print(Text(f" Press any key {what_comes} ", "reverse"), end="")
        try:
            key_press.wait_for_key()
        finally:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()

    def _write(self, text: Text) -> None:
        """Lines as they stand: the terminal may wrap them, we don't."""
        self._console.print(text, soft_wrap=True)
        self._ends_in_a_gap = False


def new_console(output: TextIO = sys.stdout) -> Console:
    """Signs that the terminal's encoding lacks become question marks instead of an error."""
    for stream in (output, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    return Console(file=output, highlight=False, emoji=False, markup=False)


def _money_line(title: str, cells: list[str]) -> str:
    return f"{title:<{_TITLE_WIDTH}}" + "".join(f"{cell:>{_AMOUNT_WIDTH}}" for cell in cells)
