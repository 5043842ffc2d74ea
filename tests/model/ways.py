"""The shortest way through the model to each thing that a request can meet, so that no cell is left to chance."""

from collections.abc import Iterator
from typing import NamedTuple

from model.explore import Model, Next
from model.participants import Executed
from model.protocol import Answer, Name, Rows
from transfer_contract.steps import Compensation, Decision


class Cell(NamedTuple):
    """Of the table "What each request does to its row": the request, its row as it found it, and the answer.

    `is_another`: the accounts had stored the other request that came with the key.
    """

    name: Name
    found: Decision | None
    answer: Answer
    is_another: bool

    @classmethod
    def of(cls, rows: Rows, executed: Executed) -> "Cell":
        name = executed.request.name
        step = name.step if isinstance(name, Compensation) else name
        is_another = rows.body not in (None, executed.request.body)
        return cls(name, getattr(rows, step), executed.answer, is_another)


def shortest_ways(model: Model) -> Iterator[tuple[Cell, tuple[Next, ...]]]:
    """Breadth first over a plan of one transfer; each way ends with the request that meets its cell."""
    came_by: dict[object, tuple[Next, ...]] = {model.beginning: ()}
    worlds = [model.beginning]
    met: set[Cell] = set()
    for world in worlds:  # it grows meanwhile
        for following in model.nexts(world):
            way = (*came_by[world], following)
            if following.move and (executed := following.move.executed):
                cell = Cell.of(world.transfers[0].rows, executed)
                if cell not in met:
                    met.add(cell)
                    yield cell, way
            if following.world not in came_by:
                came_by[following.world] = way
                worlds.append(following.world)
