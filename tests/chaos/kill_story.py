"""Plays one cell of the kill matrix on a running system, and checks what must hold whoever died where."""

import asyncio
import os
import signal
import time
from typing import Final

from chaos.kill_cells import Asked, Cell, Moment
from chaos.kill_points import Armed, FaultPointFolder
from chaos.kill_report import Row
from chaos.kill_subjects import Scene, Subject
from money_checks import check_money
from system.public_api import FINAL, Json
from system.running_system import EIGHT

_CELL_SECONDS: Final = 150
_LOOK_SECONDS: Final = 0.1
_STILL: Final = {
    Moment.COMPENSATING: {"compensating"},
    Moment.PARKED: {"needs_attention"},
    Moment.RECONCILING: {"running", "compensating"},
}
"""What a transfer says after a kill that it has no part in."""


class _Deaths:
    """Of one process, each timed until it is back, and what it held up has gone on."""

    def __init__(self, process: str, scene: Scene) -> None:
        self._process = process
        self._scene = scene
        self._killed_at: float | None = None
        self.pids: list[int] = []
        self.slowest_seconds = 0.0

    async def at(self, armed: Armed) -> None:
        """As soon as a process stands there. One that isn't to be killed goes on when the other is back."""
        standing = await armed.standing(self._scene)
        if standing.point.work.process == self._process:
            self._kill(standing.pid)
        else:
            await self.idle()
            standing.go_on()

    async def idle(self) -> None:
        """Wherever it may be; returns when it is back."""
        pid = (await self._scene.system.pids())[self._process]
        self._kill(pid)
        await self.until_back()

    async def until_back(self) -> None:
        """Started again by the process manager, as another process, and ready."""
        system = self._scene.system
        while (await system.pids()).get(self._process) in (None, *self.pids):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        await system.start(self._process)

    def gone_on(self) -> None:
        if self._killed_at is not None:
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - self._killed_at)
        self._killed_at = None

    def _kill(self, pid: int) -> None:
        self.gone_on()
        os.kill(pid, signal.SIGKILL)
        self._killed_at = time.monotonic()
        self.pids.append(pid)


async def play(cell: Cell, scene: Scene, folder: FaultPointFolder) -> Row:
    deaths, error = _Deaths(cell.process, scene), None
    try:
        async with asyncio.timeout(_CELL_SECONDS), cell.situation(scene) as subject:
            if cell.asked is not None:
                await _kill_while_asked(cell.asked, subject, folder, deaths)
                status = (await subject.read()).json()["status"]
                assert status in _STILL[cell.moment], f"{status} after the first kill"
            transfer = await _kill_on_its_way(cell, subject, folder, deaths)
            await _check(cell, subject, transfer, scene)
    except Exception as problem:  # noqa: BLE001 - the other cells shall tell their outcome as well
        error = repr(problem)
    await scene.system.until_readiness(*EIGHT, ready=True)
    return Row(cell, len(deaths.pids), deaths.slowest_seconds, error)


async def _kill_while_asked(asked: Asked, subject: Subject, folder: FaultPointFolder, deaths: _Deaths) -> None:
    """The client repeats its request until it has its answer."""
    if asked.point is None:
        await deaths.idle()
        await asked.request(subject)
    else:
        with folder.armed((asked.point,), subject) as [armed]:
            async with asyncio.TaskGroup() as clients:
                clients.create_task(asked.request(subject))
                await deaths.at(armed)
    await deaths.until_back()
    deaths.gone_on()


async def _kill_on_its_way(cell: Cell, subject: Subject, folder: FaultPointFolder, deaths: _Deaths) -> Json:
    """The transfer as it ends."""
    with folder.armed(cell.on_its_way, subject) as points:
        async with asyncio.TaskGroup() as clients:
            clients.create_task(subject.go_on())
            for armed in points:
                await deaths.at(armed)
    while (transfer := (await subject.read()).json())["status"] not in FINAL:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    await deaths.until_back()
    deaths.gone_on()
    return dict(transfer)


async def _check(cell: Cell, subject: Subject, transfer: Json, scene: Scene) -> None:
    """It ended as it must, once, with the money where it belongs, and the rows of all transfers are right."""
    api = scene.system.api
    assert transfer["status"] == cell.ends, transfer
    for account, money in subject.money_at_end[cell.ends].items():
        assert await api.money(account) == money, account
    arrived = await api.all_items("/transfers", account=subject.destination)
    assert sorted(each["id"] for each in arrived) == subject.transfer_ids
    await asyncio.to_thread(check_money, scene.system.accounts_url, scene.system.ledger_url)
    assert (await api.get("/reconciliation"))["balanced"] is True
