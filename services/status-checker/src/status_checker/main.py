"""The composition root: settings, clients, the app, and what is looked at beside it all the time."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from service_runtime.app import ReadinessCheck, create_app, http_server
from service_runtime.internal_client import InternalClient
from service_runtime.live_workers import list_heartbeats
from service_runtime.logs import configure_logs
from service_runtime.temporal import lazy_client, temporal_answers
from temporalio.client import Client
from transfer_contract.names import Process

from status_checker.api import batches_router, events_router, operations_router, transfers_router
from status_checker.attention_metrics import AttentionMetrics
from status_checker.attention_observer import AttentionObserver, Looks, Patience
from status_checker.batch_runs import BatchRuns
from status_checker.batch_watches import BatchWatches
from status_checker.batches import Batches
from status_checker.carriers import Carriers
from status_checker.latest_transfers import LatestTransfers
from status_checker.live_workers import LiveWorkers
from status_checker.overview import OverviewFeed, Sources
from status_checker.participants import Participants
from status_checker.reconciliation import reconcile
from status_checker.running_transfers import RunningTransfers
from status_checker.runs import Runs
from status_checker.settings import StatusCheckerSettings
from status_checker.status import StatusChecker
from status_checker.transfer_list import TransferList
from status_checker.troubled_batches import TroubledBatches
from status_checker.troubled_transfers import TroubledTransfers
from status_checker.waiting import Waiting
from status_checker.watches import Watches
from status_checker.workers_view import view_workers

ACCOUNT_API_CONNECTIONS: Final = 1100
"""The gateway lets a thousand wait: each of them has a connection, and holds up nobody who asks."""


def main() -> None:
    settings = StatusCheckerSettings()
    configure_logs(settings, Process.STATUS_CHECKER)
    uvloop.run(serve(settings))


async def serve(settings: StatusCheckerSettings) -> None:
    client = await lazy_client()
    live_workers = LiveWorkers(partial(list_heartbeats, client))
    timeout = settings.internal_timeout_seconds
    async with (
        InternalClient(
            Process.ACCOUNT_API, settings.account_api_url, timeout_seconds=timeout, pool_size=ACCOUNT_API_CONNECTIONS
        ) as account_api,
        InternalClient(Process.LEDGER_API, settings.ledger_api_url, timeout_seconds=timeout) as ledger_api,
    ):
        app, attention = build_app(settings, client, live_workers, account_api, ledger_api)
        await live_workers.observe()
        async with asyncio.TaskGroup() as tasks:  # a defect in watching ends the process, which is then restarted
            observing = [
                tasks.create_task(live_workers.keep_observing()),
                tasks.create_task(attention.keep_observing()),
            ]
            await http_server(app, settings).serve()
            for each in observing:
                each.cancel()


def build_app(
    settings: StatusCheckerSettings,
    client: Client,
    live_workers: LiveWorkers,
    account_api: InternalClient,
    ledger_api: InternalClient,
) -> tuple[FastAPI, AttentionObserver]:
    """The app, and who looks for what needs attention as long as somebody keeps it observing."""
    timeout = settings.temporal_timeout_seconds
    registry = CollectorRegistry()
    participants, runs = Participants(account_api, ledger_api), Runs(client, registry, timeout_seconds=timeout)
    batch_runs = BatchRuns(client, timeout_seconds=timeout)
    checker = StatusChecker(participants, runs, batch_runs, live_workers)
    watches = Watches(checker, runs, live_workers)
    listed = TransferList(participants, RunningTransfers(client, timeout_seconds=timeout), checker)
    checks: dict[str, ReadinessCheck] = {
        "temporal": partial(temporal_answers, client),
        Process.ACCOUNT_API: account_api.is_ready,
        Process.LEDGER_API: ledger_api.is_ready,
    }
    app = create_app(Process.STATUS_CHECKER, checks, registry=registry)
    workers = partial(view_workers, client, live_workers, timeout_seconds=timeout)
    reconciliation = partial(reconcile, account_api, ledger_api)
    grace = settings.attention_grace_seconds
    looks = Looks(
        troubled=TroubledTransfers(client, participants, TroubledBatches(account_api, batch_runs), grace_seconds=grace),
        carriers=Carriers(runs),
        participants=participants,
        workers=workers,
        workers_changed=live_workers.changed,
        temporal_answers=partial(temporal_answers, client),
        reconciliation=reconciliation,
    )
    patience = Patience(
        compensating_long=timedelta(seconds=settings.compensating_long_seconds),
        reconcile_seconds=settings.books_compared_every_seconds,
    )
    observer = AttentionObserver(looks, AttentionMetrics(registry), patience)
    sources = Sources(
        transfers=lambda: LatestTransfers(listed, checker).look,
        accounts=participants.accounts,
        workers=workers,
        reconciliation=reconciliation,
        attention=observer.attention,
        workers_changed=live_workers.changed,
    )
    app.include_router(transfers_router(Waiting(checker, participants, runs, watches), listed))
    batches = Batches(account_api, participants, checker, batch_runs)
    app.include_router(batches_router(batches, BatchWatches(batches.look)))
    app.include_router(events_router(watches, OverviewFeed(sources).overviews))
    app.include_router(operations_router(workers, reconciliation, observer.attention))
    return app, observer
