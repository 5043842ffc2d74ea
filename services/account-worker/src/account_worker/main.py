"""The composition root of the three programs: settings → engine → activities → worker, app or migration."""

import asyncio
from functools import partial
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app, serve
from service_runtime.database import create_database_engine, database_answers
from service_runtime.database import migrate as migrate_database
from service_runtime.logs import configure_logs
from service_runtime.worker import run_worker
from sqlalchemy import Engine
from transfer_contract.names import Process

from account_worker.activities import AccountStepActivities
from account_worker.api import add_routes
from account_worker.batch_activities import AccountBatchStepActivities
from account_worker.demo_faults import DemoFaults, Faults, NoFaults
from account_worker.settings import AccountWorkerSettings, ApiSettings, MigrateSettings
from account_worker.worker import build_worker

MIGRATIONS = Path(__file__).parent / "migrations"


def worker() -> None:
    settings = AccountWorkerSettings()
    configure_logs(settings, settings.process)
    registry = CollectorRegistry()
    engine = create_database_engine(settings.database_url, pool_size=settings.max_concurrent_activities, by_key=True)
    faults = _faults(engine, demo=settings.demo_faults)
    activities = AccountStepActivities(engine, faults, registry)
    batch_activities = AccountBatchStepActivities(engine, faults, activities.guards)
    build = partial(
        build_worker,
        activities=activities,
        batch_activities=batch_activities,
        settings=settings,
        registry=registry,
    )
    uvloop.run(run_worker(settings, registry, build))


def api() -> None:
    settings = ApiSettings()
    configure_logs(settings, Process.ACCOUNT_API)
    engine = create_database_engine(settings.database_url, pool_size=settings.database_pool_size)
    checks = {"database": lambda: asyncio.to_thread(database_answers, engine)}
    app = create_app(Process.ACCOUNT_API, checks, registry=CollectorRegistry())
    add_routes(app, engine, _faults(engine, demo=settings.demo_faults))
    serve(app, settings)


def migrate() -> None:
    settings = MigrateSettings()
    configure_logs(settings, Process.ACCOUNT_WORKER)
    migrate_database(settings.database_url, MIGRATIONS)


def _faults(engine: Engine, *, demo: bool) -> Faults:
    return DemoFaults(engine) if demo else NoFaults()
