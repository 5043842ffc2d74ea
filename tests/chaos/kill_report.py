"""What the kill matrix has found: a table to read, and a file for docs/proof.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.kill_cells import Cell
from proof_parts import write as write_part

_HEAD: Final = ("process", "point", "killed", "kills", "outcome", "recovery")


@dataclass(frozen=True)
class Row:
    """`recovery_seconds`: the longest from a kill until what it held up had gone on, and the process was back."""

    cell: Cell
    kills: int
    recovery_seconds: float
    error: str | None = None

    @property
    def outcome(self) -> str:
        return f"FAILED: {self.error}" if self.error else self.cell.ends


def table(rows: Sequence[Row]) -> Iterator[str]:
    cells = [_HEAD, *map(_texts, rows)]
    widths = [max(len(texts[column]) for texts in cells) for column in range(len(_HEAD))]
    for texts in cells:
        yield "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _texts(row: Row) -> tuple[str, ...]:
    return (
        row.cell.process,
        row.cell.point,
        ", ".join(row.cell.places),
        str(row.kills),
        row.outcome,
        f"{row.recovery_seconds:.1f} s",
    )


def write(rows: Sequence[Row], path: Path) -> None:
    """For docs/proof.md."""
    told = [
        {
            "process": row.cell.process,
            "point": row.cell.point,
            "killed": ", ".join(row.cell.places),
            "kills": row.kills,
            "outcome": row.outcome,
            "recovery_seconds": round(row.recovery_seconds, 1),
        }
        for row in rows
    ]
    write_part(path, rows=told)
