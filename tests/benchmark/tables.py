"""The results as tables, for the terminal and, as Markdown, for the documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmark.results import Results
from rich.table import Table

SHOWN_CPU_MS: Final = 0.05
"""A process that spends less on a transfer merely idles."""


@dataclass(frozen=True)
class Rows:
    title: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]

    def as_rich(self) -> Table:
        table = Table(title=self.title, title_justify="left")
        for number, column in enumerate(self.head):
            table.add_column(column, justify="right" if number else "left")
        for row in self.body:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)], *self.body]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def speed(results: Results) -> Rows:
    loads = results.loads
    head = ["", *(f"{load} at once: {what}" for load in loads for what in ("p50 ms", "p95 ms", "per s"))]
    body = []
    for lane in results.lanes:
        cells = [lane]
        for load in loads:
            cells += [f"{results.middle(lane, load, figure):.0f}" for figure in ("p50_ms", "p95_ms")]
            cells.append(f"{results.middle(lane, load, 'per_second'):.1f}")
        body.append(cells)
    return Rows(f"Transfers ({results.world})", head, body)


def cpu(results: Results) -> Rows:
    """At the highest load, where the idling of everybody else shows least."""
    load = results.loads[-1]
    columns = {lane: results.cpu_ms(lane, load) for lane in results.lanes}
    names = [name for name in next(iter(columns.values())) if any(c[name] >= SHOWN_CPU_MS for c in columns.values())]
    body = [[name, *(_milliseconds(column[name]) for column in columns.values())] for name in names]
    body.append(["all", *(f"{sum(column.values()):.1f}" for column in columns.values())])
    return Rows(f"Processor time per transfer in ms, {load} at once", ["", *columns], body)


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value >= SHOWN_CPU_MS else ""
