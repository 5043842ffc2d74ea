"""Each process killed at each point: it comes back, the transfer ends as it must, once, and no money is lost or made.

All cells are played before the first test, on two systems side by side; each test tells the outcome of one of them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from chaos.kill_cells import Cell, Moment
from chaos.kill_matrix import CELLS, SYSTEMS
from chaos.kill_parked import Parked
from chaos.kill_points import FaultPointFolder
from chaos.kill_report import Row, table, write
from chaos.kill_story import play
from chaos.kill_subjects import Scene
from processes import SERVERS
from proof_parts import PARTS, begin
from system.running_system import EIGHT, running_system
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from transfer_contract.names import RECONCILIATION_SCHEDULE
from transfer_contract.steps import Compensation, Step

pytestmark = [pytest.mark.kill_matrix, pytest.mark.timeout(900)]

PROOF: Final = PARTS / "kill_matrix.json"
SCHEDULED_WITHIN_SECONDS: Final = 60


@pytest.fixture(scope="module")
async def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Cell, Row]:
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["cell"] for item in items if "cell" in item.callspec.params}
    plays = [[cell for cell in cells if cell in wanted] for cells in SYSTEMS]
    told = _Table()
    request.config.pluginmanager.register(told)
    if wanted == {*CELLS}:
        begin(PROOF)
    await _play_all([cells for cells in plays if cells], tmp_path_factory.mktemp("kill-matrix"), told)
    if wanted == {*CELLS}:
        write(told.in_order(), PROOF)
    return {row.cell: row for row in told.rows}


@dataclass
class _Table:
    """Told at the end of the run, as far as it has come."""

    rows: list[Row] = field(default_factory=list)

    def in_order(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: CELLS.index(row.cell))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("kill matrix")
        for line in table(self.in_order()):
            terminalreporter.write_line(line)


async def _play_all(plays: Sequence[Sequence[Cell]], folder: Path, told: _Table) -> None:
    async with AsyncExitStack() as systems:
        scenes = []
        for number, cells in enumerate(plays):  # one after the other, so that both don't take the same free port
            points = FaultPointFolder(folder / f"points-{number}")
            system = await systems.enter_async_context(
                running_system(folder / f"system-{number}", FAULT_POINTS=str(points.path))
            )
            scene = Scene(system, await Client.connect(system.temporal_address, data_converter=pydantic_data_converter))
            await _pause_reconciler(scene)
            await scene.refused.install()
            for cell in cells:
                if isinstance(cell.situation, Parked):
                    await cell.situation.prepare(scene)
            scenes.append((scene, points))
        async with asyncio.TaskGroup() as both:
            for cells, (scene, points) in zip(plays, scenes, strict=True):
                both.create_task(_play_one_by_one(cells, scene, points, told))


async def _play_one_by_one(cells: Sequence[Cell], scene: Scene, points: FaultPointFolder, told: _Table) -> None:
    for cell in cells:
        told.rows.append(await play(cell, scene, points))


async def _pause_reconciler(scene: Scene) -> None:
    """Its runs are started by hand, at the right moment."""
    async with asyncio.timeout(SCHEDULED_WITHIN_SECONDS):
        while True:
            try:
                return await scene.temporal.get_schedule_handle(RECONCILIATION_SCHEDULE).pause(note="by the test")
            except RPCError:  # workflow-handler is about to make it
                await asyncio.sleep(0.5)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_after_a_kill_just_there_the_transfer_ends_as_it_must_and_once(rows: Mapping[Cell, Row], cell: Cell) -> None:
    row = rows[cell]
    assert row.error is None
    assert row.kills == len(cell.places)


def test_no_process_and_no_moment_is_left_out() -> None:
    assert len(CELLS) == len({*map(str, CELLS)})
    assert {(cell.process, cell.moment) for cell in CELLS if not cell.of_a_batch} == {
        (process, moment) for process in (*EIGHT, *SERVERS) for moment in Moment
    }


def test_no_step_of_a_batch_is_left_out() -> None:
    told = {place for cell in CELLS if cell.of_a_batch for place in cell.places}
    assert told >= {f"{when} {name}_many" for when in ("before", "after") for name in (*Step, *Compensation)}
