"""Looks every few seconds for what needs an operator, whether or not somebody asks: once for all who do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

import structlog
from service_runtime.broadcast import Signal
from service_runtime.problems import Problem
from service_runtime.temporal import ask_temporal
from transfer_contract.attention import Attention, AttentionItem, AttentionKind
from transfer_contract.http import ProblemCode, Reconciliation, WorkersView

from status_checker import attention
from status_checker.attention_metrics import AttentionMetrics
from status_checker.carriers import Carried, Carriers
from status_checker.outcome import or_problem
from status_checker.participants import Participants
from status_checker.troubled_transfers import Candidates, TroubledTransfers

OBSERVE_SECONDS: Final = 5.0
BUSY_SHARE: Final = 0.2
"""Of the time, at most, while there is much to look at."""

LOOKS_AT_ONCE: Final = 10
LOOKS_SECONDS: Final = 10.0
"""For all descriptions together: nobody waits for them."""

STALE_SECONDS: Final = 15.0
"""Older than this an observation says nothing any more."""

RECONCILE_SHARE: Final = 0.1
"""Of the time, at most: it may read both databases whole."""
UNRECONCILED_SECONDS: Final = 30.0
"""A restart of account-api or ledger-api is shorter."""

_NOT_KNOWN: Final = "What needs attention isn't known at the moment."


@dataclass(frozen=True)
class Looks:
    """What is looked at. Each call raises `Problem` where it can't be told."""

    troubled: TroubledTransfers
    carriers: Carriers
    participants: Participants
    workers: Callable[[], Awaitable[WorkersView]]
    workers_changed: Signal
    temporal_answers: Callable[[], Awaitable[bool]]
    reconciliation: Callable[[], Awaitable[Reconciliation]]


@dataclass(frozen=True)
class Patience:
    """`reconcile_seconds`: from one comparison of accounts and ledger to the next."""

    compensating_long: timedelta
    reconcile_seconds: float


class AttentionObserver:
    def __init__(self, looks: Looks, metrics: AttentionMetrics, patience: Patience) -> None:
        self._looks = looks
        self._metrics = metrics
        self._patience = patience
        self._latest: Attention | None = None
        self._why_not = _NOT_KNOWN
        self._unbalanced: list[AttentionItem] = []
        self._unbalanced_since: datetime | None = None
        self._unreconciled: AttentionItem | None = None
        self._unreconciled_since: datetime | None = None

    async def attention(self) -> Attention:
        """As it was observed last. Raises `Problem(unavailable)` where that is too long ago: nothing is known then."""
        latest = self._latest
        if latest is None or (datetime.now(UTC) - latest.observed_at).total_seconds() > STALE_SECONDS:
            raise Problem(ProblemCode.UNAVAILABLE, self._why_not)
        return latest

    async def keep_observing(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_looking())
            tasks.create_task(self._keep_reconciling())

    async def _keep_looking(self) -> None:
        while True:
            changed = asyncio.create_task(self._looks.workers_changed.wait())
            try:
                began = monotonic()
                await self.observe()
                await asyncio.wait({changed}, timeout=max(OBSERVE_SECONDS, (monotonic() - began) / BUSY_SHARE))
            finally:
                changed.cancel()

    async def _keep_reconciling(self) -> None:
        while True:
            began = monotonic()
            await self.reconcile()
            pause = OBSERVE_SECONDS if self._unreconciled else self._patience.reconcile_seconds
            await asyncio.sleep(max(pause, (monotonic() - began) / RECONCILE_SHARE))

    async def observe(self) -> None:
        try:
            await self._observe()
        except Problem as problem:
            self._note(problem.detail)
            self._metrics.not_observed(temporal_answers=await self._looks.temporal_answers())
        except Exception as error:  # noqa: BLE001 - a run that can't be read must not end who tells of all others
            structlog.get_logger().error("looking for what needs attention failed", exc_info=error)
            self._note(_NOT_KNOWN)

    def _note(self, why_not: str) -> None:
        if why_not != self._why_not:  # the first time of many
            structlog.get_logger().warning("can't tell what needs attention", problem=why_not)
        self._why_not = why_not

    async def reconcile(self) -> None:
        """Beside the rest: it may take long. Where it can't be made for a while, that is told as an item."""
        now, books = datetime.now(UTC), await or_problem(self._looks.reconciliation())
        if isinstance(books, Problem):
            self._unreconciled_since = self._unreconciled_since or now
            self._unreconciled = attention.unobserved(
                f"Accounts and ledger can't be compared: {books.detail}", self._unreconciled_since
            )
            return
        self._unreconciled_since = self._unreconciled = None
        self._unbalanced_since = None if books.balanced else self._unbalanced_since or now
        self._unbalanced = [*attention.of_books(books, self._unbalanced_since or now)]
        self._metrics.reconciled(now, balanced=books.balanced)

    def _books(self, now: datetime) -> list[AttentionItem]:
        since = self._unreconciled_since
        if since is None or self._unreconciled is None or (now - since).total_seconds() < UNRECONCILED_SECONDS:
            return self._unbalanced
        return [*self._unbalanced, self._unreconciled]

    async def _observe(self) -> None:
        now = datetime.now(UTC)
        candidates, workers = await asyncio.gather(self._looks.troubled.candidates(), self._looks.workers())
        looked_at = await self._look_at(candidates)
        final = await self._looks.participants.final(candidates.transfer_ids)
        items = attention.most_urgent_first(
            [
                *attention.of_transfers(
                    looked_at, final, attention.Thresholds(now=now, compensating_long=self._patience.compensating_long)
                ),
                *attention.of_workers(workers.items),
                *self._books(now),
            ]
        )
        self._latest, self._why_not = _told(now, items, candidates), _NOT_KNOWN
        self._measure(looked_at, candidates, workers)

    async def _look_at(self, candidates: Candidates) -> list[Carried]:
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def look(transfer_id: str) -> Carried:
            async with at_once:
                return await self._looks.carriers.of(transfer_id)

        try:
            return await ask_temporal(
                lambda: asyncio.gather(*map(look, candidates.transfer_ids)), timeout_seconds=LOOKS_SECONDS
            )
        finally:
            self._looks.carriers.forget_others()

    def _measure(self, looked_at: list[Carried], candidates: Candidates, workers: WorkersView) -> None:
        if self._latest is None:
            return
        carriers = [carrier for carried in looked_at for carrier in carried.carriers]
        failures = max((carrier.task_failures for carrier in carriers), default=0)
        since = [carrier.compensating_since for carrier in carriers if carrier.compensating_since]
        self._metrics.observed(self._latest, task_failures=failures)
        self._metrics.ages(self._latest.observed_at, compensation=min(since, default=None), transfer=candidates.oldest)
        self._metrics.workers(workers)


def _told(now: datetime, items: list[AttentionItem], candidates: Candidates) -> Attention:
    counts = attention.counts(items)
    if candidates.unexamined_parked:
        counts[AttentionKind.PARKED] = counts.get(AttentionKind.PARKED, 0) + candidates.unexamined_parked
    return Attention(observed_at=now, counts=counts, unexamined=candidates.unexamined, items=items)
