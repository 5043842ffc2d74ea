"""The situation of a parked transfer, by what keeps failing: prepared, for it takes half a minute to come there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chaos.kill_subjects import Scene, Subject
from money_books import read_books
from transfer_contract.steps import Compensation, Step

_SCENARIO: Final[dict[Compensation | Step, str]] = {
    Compensation.WITHDRAW: "compensation_fails",
    Compensation.RECORD: "deposit_fails",
}
"""What brings a transfer there. The first fails by itself until a retry; else the database refuses the step's row."""

_BEHIND: Final[dict[Compensation | Step, tuple[str, str | None]]] = {
    Compensation.RECORD: ("applied", None),
    Step.RELEASE: ("applied", "applied"),
}
"""Withdraw and deposit as long as it is parked: nothing is undone before the door has answered (rule 6), nor ever after
the commit point (rule 4)."""


@dataclass(frozen=True)
class Parked:
    """Of a batch, the first transfer is, and holds up none of the others."""

    step: Compensation | Step
    of_a_batch: bool = False

    def __str__(self) -> str:
        return self.step

    async def prepare(self, scene: Scene) -> None:
        fields = {"scenario": _SCENARIO[self.step]} if self.step in _SCENARIO else {}
        subject = await (scene.batch(fields) if self.of_a_batch else scene.subject(**fields))
        if self.step in _BEHIND:
            await scene.refused.refuse(subject.transfer_id, self.step)
        await subject.post()
        scene.prepared[self].put_nowait(subject)

    @asynccontextmanager
    async def __call__(self, scene: Scene) -> AsyncIterator[Subject]:
        subject = await scene.prepared[self].get()
        await scene.system.api.until(subject.transfer_id, lambda transfer: transfer["status"] == "needs_attention")

        async def go_on() -> None:
            await self._check_rows(scene, subject)
            await scene.refused.allow(subject.transfer_id)
            await subject.retry()

        subject.go_on = go_on
        yield subject

    async def _check_rows(self, scene: Scene, subject: Subject) -> None:
        books = await asyncio.to_thread(read_books, scene.system.accounts_url, scene.system.ledger_url)
        rows = books.transfers[subject.transfer_id]
        assert self.step not in _BEHIND or (rows.withdraw, rows.deposit) == _BEHIND[self.step], rows
        unfinished = [each for each in subject.transfer_ids if books.transfers[each].final_status is None]
        assert unfinished == [subject.transfer_id]
