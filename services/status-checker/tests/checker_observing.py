"""An observer of what needs attention, as a test drives it: one look after the other."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

from checker_rows import request
from prometheus_client import CollectorRegistry
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from service_runtime.temporal import temporal_answers
from status_checker.attention_metrics import AttentionMetrics
from status_checker.attention_observer import AttentionObserver, Looks, Patience
from status_checker.batch_runs import BatchRuns
from status_checker.carriers import Carriers
from status_checker.live_workers import LiveWorkers
from status_checker.participants import Participants
from status_checker.runs import Runs
from status_checker.troubled_batches import TroubledBatches
from status_checker.troubled_transfers import TroubledTransfers
from status_checker.workers_view import view_workers
from temporalio.client import Client
from transfer_contract.attention import Attention, AttentionItem, AttentionKind
from transfer_contract.http import Reconciliation
from transfer_contract.transfers import TransferRequest

BALANCED = Reconciliation(balanced=True, currencies=[], discrepancies=[])
SOON_SECONDS = 60
"""A workflow task that fails is repeated ever more slowly."""


class Observing:
    """An observer without patience for what is young; its books are what a test says."""

    def __init__(self, client: Client, apis: tuple[InternalClient, InternalClient], live_workers: LiveWorkers) -> None:
        self._apis, self._live_workers = apis, live_workers
        self.registry = CollectorRegistry()
        self.books: Reconciliation | Problem = BALANCED
        participants, runs = Participants(*apis), Runs(client, self.registry, timeout_seconds=5)
        batches = TroubledBatches(apis[0], BatchRuns(client, timeout_seconds=5))
        looks = Looks(
            troubled=TroubledTransfers(client, participants, batches, grace_seconds=0),
            carriers=Carriers(runs),
            participants=participants,
            workers=partial(view_workers, client, live_workers, timeout_seconds=5),
            workers_changed=live_workers.changed,
            temporal_answers=partial(temporal_answers, client),
            reconciliation=self._reconciliation,
        )
        patience = Patience(compensating_long=timedelta(seconds=1), reconcile_seconds=60)
        self.observer = AttentionObserver(looks, AttentionMetrics(self.registry), patience)

    def through(self, client: Client) -> "Observing":
        """Another observer of the same."""
        return Observing(client, self._apis, self._live_workers)

    async def _reconciliation(self) -> Reconciliation:
        if isinstance(self.books, Problem):
            raise self.books
        return self.books

    async def attention(self) -> Attention:
        await self.observer.observe()
        return await self.observer.attention()

    async def items_of(self, transfer: TransferRequest) -> list[AttentionItem]:
        return [item for item in (await self.attention()).items if item.transfer_id == transfer.transfer_id]

    async def until_item(self, transfer: TransferRequest, kind: AttentionKind, *, detail: str = "") -> AttentionItem:
        """The item of this kind, as soon as its detail names what it waits for."""
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                for item in await self.items_of(transfer):
                    if item.kind is kind and detail in item.detail:
                        return item
                await asyncio.sleep(0.1)

    def metric(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, labels)
        assert value is not None
        return value

    def requests(self) -> float:
        found = self.registry.collect()
        return sum(s.value for f in found for s in f.samples if s.name == "temporal_requests_total")


def transfer_of(reference: str = "rent") -> TransferRequest:
    return request(created_at=datetime.now(UTC), reference=reference)
