"""What a cell of the kill matrix is made of: a moment, a transfer in its situation, and the places of the kills."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaos.kill_parked import Parked
from chaos.kill_points import Point
from chaos.kill_situations import Situation
from chaos.kill_subjects import Subject


class Moment(StrEnum):
    BEFORE = "before the transaction"
    AFTER = "after commit before the answer"
    COMPENSATING = "while compensating"
    PARKED = "while parked"
    RECONCILING = "while reconciling"


@dataclass(frozen=True)
class Asked:
    """A kill in the middle of a client's request about the transfer; without a point, the process is idle."""

    request: Callable[[Subject], Coroutine[Any, Any, object]]
    point: Point | None = None


@dataclass(frozen=True)
class Cell:
    """`process` is killed first as it is asked about the transfer, then at each place as the transfer goes on.

    In between it is looked whether the transfer is still what the situation says.
    """

    process: str
    moment: Moment
    situation: Situation
    on_its_way: tuple[Point, ...] = ()
    asked: Asked | None = None
    ends: str = "completed"
    of_a_batch: bool = False

    def __str__(self) -> str:
        where = f" in {self.situation}" if isinstance(self.situation, Parked) else ""
        return f"{self.process}, {self.point}{where}, {self.ends}"

    @property
    def point(self) -> str:
        return f"{self.moment}, a batch" if self.of_a_batch else self.moment.value

    @property
    def places(self) -> list[str]:
        asked = [str(self.asked.point or "idle")] if self.asked else []
        return [*asked, *map(str, self.on_its_way)]
