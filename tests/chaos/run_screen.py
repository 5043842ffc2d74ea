"""What a chaos run shows in the terminal: what happens now, how the transfers fare, and the verdict."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from chaos.effect import Effect
from chaos.findings import Findings
from chaos.journal import UNKNOWN
from chaos.schedule import ScheduledFault
from chaos.summary import Summary
from chaos.violations import Violation
from rich.console import Console
from rich.live import Live
from rich.text import Text

_REFRESH_SECONDS: Final = 1.0
_LINE_SECONDS: Final = 15.0
"""Where nobody can see a line change, one is written so often."""
_SHOWN_VIOLATIONS: Final = 20
_STATUSES: Final = ("completed", "rejected", "compensated", "open")


class RunScreen:
    def __init__(self, console: Console, findings: Findings) -> None:
        self._console = console
        self._findings = findings
        self._under_way: list[str] = []

    def phase(self, text: str) -> None:
        self._write(Text(text, "bold"))

    def fault_began(self, fault: ScheduledFault) -> None:
        self._under_way.append(_named(fault))
        self._write(Text(f"✗ {_named(fault)}", "yellow"))

    def fault_ended(self, fault: ScheduledFault, effect: Effect) -> None:
        self._under_way.remove(_named(fault))
        self._write(Text(f"✓ over: {effect.what}" if effect.count else f"· no effect: {effect.what}", "green"))

    @asynccontextmanager
    async def status_line(self) -> AsyncIterator[None]:
        """How it stands, once a second below all else; in a file, a line from time to time."""
        if self._console.is_terminal:
            with Live(get_renderable=self._status, console=self._console, refresh_per_second=1 / _REFRESH_SECONDS):
                yield
            return
        async with asyncio.TaskGroup() as group:
            lines = group.create_task(self._status_lines())
            yield
            lines.cancel()

    def verdict(self, summary: Summary, found: Sequence[Violation]) -> None:
        for violation in found[:_SHOWN_VIOLATIONS]:
            self._console.print(Text(f"  {violation.check}: {violation.detail}"[:1000], "red"), soft_wrap=True)
        if len(found) > _SHOWN_VIOLATIONS:
            self._console.print(Text(f"  … and {len(found) - _SHOWN_VIOLATIONS} more", "red"))
        self._console.print()
        for line in summary.lines():
            self._console.print(Text(f"  {line}"), soft_wrap=True)
        self._console.print()
        passed = not found
        self._console.print(
            Text("PASSED: no money lost, none made, every transfer ended" if passed else "FAILED", "bold")
        )

    async def _status_lines(self) -> None:
        while True:
            await asyncio.sleep(_LINE_SECONDS)
            self._console.print(self._status(), soft_wrap=True)

    def _status(self) -> Text:
        wrong = len(self._findings.violations.all)
        answers = self._findings.journal.answers
        counts = f"{answers[UNKNOWN]} of {answers.total()} answers unknown · {wrong} violations"
        now = f" · now: {'; '.join(self._under_way)}" if self._under_way else ""
        text = f"{self._time()} {self._transfers()} · {counts}"
        return Text.assemble((text, "red" if wrong else "cyan"), (now, "dim"))

    def _transfers(self) -> str:
        """Before the clients begin, the hot accounts that are opened for them."""
        promises = self._findings.promises
        statuses = promises.statuses
        if statuses:
            return ", ".join(f"{statuses[status]} {status}" for status in _STATUSES)
        return f"{len(promises.all)} accounts, {len(promises.open)} of them without their money yet"

    def _write(self, text: Text) -> None:
        self._console.print(Text.assemble((self._time() + " ", "dim"), text), soft_wrap=True)

    def _time(self) -> str:
        minutes, seconds = divmod(int(self._findings.journal.now), 60)
        return f"{minutes:02}:{seconds:02}"


def _named(fault: ScheduledFault) -> str:
    return f"{fault.kind.replace('_', ' ')}: {fault.target}"
