"""The status of one transfer: final rows first, else what Temporal shows (rule 11). It asks no worker."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from service_runtime.problems import Problem
from temporalio.api.history.v1 import HistoryEvent
from transfer_contract.batches import batch_of
from transfer_contract.http import ProblemCode
from transfer_contract.names import Process
from transfer_contract.transfers import TransferView

from status_checker.batch_runs import BatchRuns
from status_checker.final_view import are_complete, final_view
from status_checker.live_view import live_view, waits_for
from status_checker.live_workers import LiveWorkers
from status_checker.outcome import or_problem
from status_checker.participants import NO_ROWS, KnownRows, Participants, view_if_final
from status_checker.runs import Pulse, Run, Runs
from status_checker.timeline import Timeline, read_timeline


@dataclass(frozen=True)
class Seen:
    """What one look has found. `run` is the open run that carries the transfer, where there is one."""

    view: TransferView
    run: Run | None = None
    known: KnownRows = NO_ROWS
    in_batch: Timeline | None = None
    """What its batch waits for on its behalf, where that one carries it."""

    def after(self, events: Sequence[HistoryEvent], pulse: Pulse) -> "Seen":
        """After these events of its open run, without reading anything else again.

        The same as before where a step has ended whose event hasn't arrived yet.
        """
        if self.run is None:
            return self
        timeline = read_timeline(events, pulse.pending)
        if not all(step.is_described for step in timeline.open):
            return self
        view = live_view(self.known.transfer or self.run.transfer, self.known.rows, timeline)
        return Seen(view, replace(self.run, timeline=timeline, pulse=pulse), self.known)

    def told(self, live: AbstractSet[Process]) -> TransferView:
        """The transfer as it is while these processes live: who dies or starts changes that without a new look."""
        timeline = self.run.timeline if self.run else self.in_batch
        waiting_for = waits_for(timeline, live) if timeline else None
        return self.view.model_copy(update={"waiting_for": waiting_for}) if waiting_for else self.view


class StatusChecker:
    def __init__(
        self, participants: Participants, runs: Runs, batch_runs: BatchRuns, live_workers: LiveWorkers
    ) -> None:
        self._participants = participants
        self._runs = runs
        self._batch_runs = batch_runs
        self._live_workers = live_workers

    async def look(self, transfer_id: str) -> TransferView:
        """The transfer now. Raises `Problem`: `not_found`, or `unavailable` where it would have to guess."""
        return (await self.see(transfer_id)).told(self._live_workers.processes())

    async def see(self, transfer_id: str) -> Seen:
        """The same, for one who goes on watching."""
        if batch_of(transfer_id) is not None:
            known = await self._participants.rows(transfer_id)
            seen = _seen_final(known) or await self._in_batch(transfer_id, known)
            if seen is not None:
                return seen
        return await self._see_alone(transfer_id)

    async def _see_alone(self, transfer_id: str) -> Seen:
        asking = asyncio.create_task(or_problem(self._runs.newest(transfer_id)))
        try:
            known = await or_problem(self._participants.rows(transfer_id))
            if view := _if_final(known):
                return Seen(view)
            run = await asking
        finally:
            asking.cancel()
        if isinstance(known, Problem):
            return Seen(_from_result(run, known))
        if isinstance(run, Problem):
            raise run
        return await self._beside(run, transfer_id, known)

    async def look_beside(self, transfer_id: str, known: KnownRows) -> TransferView:
        """The same, for a transfer whose rows have just been read and weren't final."""
        seen = await self._in_batch(transfer_id, known)
        if seen is None:
            seen = await self._beside(await self._runs.newest(transfer_id), transfer_id, known)
        return seen.told(self._live_workers.processes())

    async def final(self, transfer_id: str) -> TransferView | None:
        """The transfer by its rows alone, where they are final; None also where they can't be read."""
        return _if_final(await or_problem(self._participants.rows(transfer_id)))

    async def _in_batch(self, transfer_id: str, known: KnownRows) -> Seen | None:
        """A batch has stored its transfers before anything else: without rows there is none."""
        batch_id = batch_of(transfer_id)
        run = await self._batch_runs.carrying(batch_id) if batch_id and known.transfer else None
        if run is None or known.transfer is None:
            return None
        timeline = run.timeline_of(transfer_id, {row.step: row for row in known.rows})
        return Seen(live_view(known.transfer, known.rows, timeline), known=known, in_batch=timeline)

    async def _beside(self, run: Run | None, transfer_id: str, known: KnownRows) -> Seen:
        if run is None or run.is_closed:
            return Seen(await self._without_running(transfer_id, run))
        transfer = known.transfer or run.transfer
        if transfer.fingerprint != run.transfer.fingerprint:  # the run will find out that the key was another's
            return Seen(live_view(transfer, known.rows, Timeline()))
        return Seen(live_view(transfer, known.rows, run.timeline), run, known)

    async def _without_running(self, transfer_id: str, run: Run | None) -> TransferView:
        """Reads the rows again: a run that closed has made them final, perhaps after they were first read."""
        known = await self._participants.rows(transfer_id)
        if view := view_if_final(known):
            return view
        if known.unread is not None:
            raise known.unread
        if known.transfer is not None:
            return live_view(known.transfer, known.rows, Timeline())
        if run is None:
            raise Problem(ProblemCode.NOT_FOUND, f"There is no transfer {transfer_id}.")
        return live_view(run.transfer, (), run.timeline)


def _seen_final(known: KnownRows) -> Seen | None:
    view = view_if_final(known)
    return Seen(view) if view else None


def _if_final(known: KnownRows | Problem) -> TransferView | None:
    return None if isinstance(known, Problem) else view_if_final(known)


def _from_result(run: Run | Problem | None, unreadable: Problem) -> TransferView:
    """Rule 11: with the rows unreadable only a closed run's final result says enough, where it has them all."""
    if isinstance(run, Run) and run.result is not None and are_complete(run.result.rows):
        return final_view(run.transfer, run.result.rows)
    raise unreadable
