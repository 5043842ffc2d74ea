"""The composition root of the three programs: settings → engine → activities → worker, app or migration."""

import asyncio
from functools import partial
from pathlib import Path

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app, serve
from service_runtime.database import create_database_engine, database_answers
from service_runtime.database import migrate as migrate_database
from service_runtime.internal_client import InternalClient
from service_runtime.logs import configure_logs
from service_runtime.worker import run_worker
from sqlalchemy import Engine
from transfer_contract.names import Process

from ledger_worker.activities import LedgerStepActivities
from ledger_worker.api import add_routes
from ledger_worker.batch_activities import LedgerBatchStepActivities
from ledger_worker.demo_faults import DemoFaults, NoFaults
from ledger_worker.settings import ApiSettings, LedgerWorkerSettings, MigrateSettings
from ledger_worker.worker import build_worker

MIGRATIONS = Path(__file__).parent / "migrations"


def worker() -> None:
    settings = LedgerWorkerSettings()
    configure_logs(settings, settings.process)
    uvloop.run(serve_worker(settings))


async def serve_worker(settings: LedgerWorkerSettings) -> None:
    registry = CollectorRegistry()
    engine = create_database_engine(settings.database_url, pool_size=settings.max_concurrent_activities, by_key=True)
    faults = DemoFaults() if settings.demo_faults else NoFaults()
    timeout = settings.internal_timeout_seconds
    async with InternalClient(Process.ACCOUNT_API, settings.account_api_url, timeout_seconds=timeout) as account_api:
        build = partial(
            build_worker,
            activities=LedgerStepActivities(engine, faults),
            batch_activities=LedgerBatchStepActivities(engine, faults, account_api),
            settings=settings,
            registry=registry,
        )
        await run_worker(settings, registry, build)


def api() -> None:
    settings = ApiSettings()
    configure_logs(settings, Process.LEDGER_API)
    engine = create_database_engine(settings.database_url, pool_size=settings.database_pool_size)
    serve(api_app(engine), settings)


def api_app(engine: Engine) -> FastAPI:
    checks = {"database": lambda: asyncio.to_thread(database_answers, engine)}
    app = create_app(Process.LEDGER_API, checks, registry=CollectorRegistry())
    add_routes(app, engine)
    return app


def migrate() -> None:
    settings = MigrateSettings()
    configure_logs(settings, Process.LEDGER_WORKER)
    migrate_database(settings.database_url, MIGRATIONS)
