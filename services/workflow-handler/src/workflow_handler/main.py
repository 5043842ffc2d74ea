"""The composition root of both processes: settings, clients, app or worker."""

from datetime import timedelta
from functools import partial

import uvloop
from prometheus_client import CollectorRegistry
from service_runtime.app import ReadinessCheck, create_app, http_server
from service_runtime.background import beside
from service_runtime.internal_client import InternalClient
from service_runtime.logs import configure_logs
from service_runtime.temporal import lazy_client, temporal_answers
from service_runtime.worker import run_worker
from transfer_contract.names import Process

from workflow_handler.api import batches_router, transfers_router
from workflow_handler.batches import Batches
from workflow_handler.reconciliation_schedule import keep_schedule
from workflow_handler.rows import Rows
from workflow_handler.settings import ApiSettings, WorkflowWorkerSettings
from workflow_handler.transfers import Transfers
from workflow_handler.worker import build_worker


def api() -> None:
    settings = ApiSettings()
    configure_logs(settings, Process.WORKFLOW_HANDLER)
    uvloop.run(serve_api(settings))


def worker() -> None:
    settings = WorkflowWorkerSettings()
    configure_logs(settings, settings.process)
    uvloop.run(serve_worker(settings))


async def serve_api(settings: ApiSettings) -> None:
    client = await lazy_client()
    timeout = settings.internal_timeout_seconds
    async with (
        InternalClient(Process.ACCOUNT_API, settings.account_api_url, timeout_seconds=timeout) as account_api,
        InternalClient(Process.LEDGER_API, settings.ledger_api_url, timeout_seconds=timeout) as ledger_api,
    ):
        checks: dict[str, ReadinessCheck] = {
            "temporal": partial(temporal_answers, client),
            Process.ACCOUNT_API: account_api.is_ready,
        }
        app = create_app(Process.WORKFLOW_HANDLER, checks, registry=CollectorRegistry())
        app.include_router(transfers_router(Transfers(client, Rows(account_api, ledger_api))))
        app.include_router(batches_router(Batches(client)))
        interval = timedelta(seconds=settings.reconciliation_interval_seconds)
        async with beside(keep_schedule(client, interval)):
            await http_server(app, settings).serve()


async def serve_worker(settings: WorkflowWorkerSettings) -> None:
    registry, timeout = CollectorRegistry(), settings.internal_timeout_seconds
    async with (
        InternalClient(Process.ACCOUNT_API, settings.account_api_url, timeout_seconds=timeout) as account_api,
        InternalClient(Process.LEDGER_API, settings.ledger_api_url, timeout_seconds=timeout) as ledger_api,
    ):
        build = partial(
            build_worker, account_api=account_api, ledger_api=ledger_api, settings=settings, registry=registry
        )
        await run_worker(settings, registry, build)
