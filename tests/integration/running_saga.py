"""The product's own workers, account-api and ledger-api around a `WholeSaga`, all of them in the test's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import account_worker.api
import account_worker.worker
import ledger_worker.api
import ledger_worker.worker
import workflow_handler.worker
from account_worker.batch_activities import AccountBatchStepActivities
from account_worker.demo_faults import NoFaults
from fastapi import FastAPI
from integration.faulty_participants import FaultyAccounts, FaultyLedger
from integration.whole_saga import Databases, WholeSaga
from ledger_worker.batch_activities import LedgerBatchStepActivities
from ledger_worker.demo_faults import NoFaults as NoLedgerFaults
from live_server import live_server
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.settings import WorkerSettings
from sqlalchemy import Engine
from temporalio.client import Client
from transfer_contract.names import Process
from workflow_handler.rows import Rows
from workflow_handler.settings import WorkflowWorkerSettings


class Apis(NamedTuple):
    account_api: InternalClient
    ledger_api: InternalClient
    account_api_url: str
    ledger_api_url: str


@asynccontextmanager
async def running_apis(databases: Databases) -> AsyncIterator[Apis]:
    async with (
        live_server(_account_api(databases.accounts)) as accounts,
        live_server(_ledger_api(databases.ledger)) as ledger,
        InternalClient(Process.ACCOUNT_API, accounts.url, timeout_seconds=5) as account_api,
        InternalClient(Process.LEDGER_API, ledger.url, timeout_seconds=5) as ledger_api,
    ):
        yield Apis(account_api, ledger_api, accounts.url, ledger.url)


@asynccontextmanager
async def whole_saga(client: Client, databases: Databases, apis: Apis) -> AsyncIterator[WholeSaga]:
    """When the block has ended, every attempt that a test held back has arrived."""
    saga = WholeSaga(client, databases, Rows(apis.account_api, apis.ledger_api))
    saga.open_accounts()
    try:
        async with _workers(saga, apis):
            try:
                yield saga
            finally:
                saga.faults.late.set()
                saga.faults.go.set()
    finally:
        await saga.terminate_what_is_left()


@asynccontextmanager
async def _workers(saga: WholeSaga, apis: Apis) -> AsyncIterator[None]:
    accounts, ledger = saga.databases
    faulty_accounts, faulty_ledger = FaultyAccounts(accounts, saga.faults), FaultyLedger(ledger, saga.faults)
    async with (
        account_worker.worker.build_worker(
            saga.client,
            "account-worker",
            activities=faulty_accounts,
            batch_activities=AccountBatchStepActivities(accounts, NoFaults(), faulty_accounts.guards),
            settings=WorkerSettings(process=Process.ACCOUNT_WORKER),
            registry=CollectorRegistry(),
        ),
        ledger_worker.worker.build_worker(
            saga.client,
            "ledger-worker",
            activities=faulty_ledger,
            batch_activities=LedgerBatchStepActivities(ledger, NoLedgerFaults(), apis.account_api),
            settings=WorkerSettings(process=Process.LEDGER_WORKER),
            registry=CollectorRegistry(),
        ),
        workflow_handler.worker.build_worker(
            saga.client,
            "workflow-worker",
            account_api=apis.account_api,
            ledger_api=apis.ledger_api,
            settings=WorkflowWorkerSettings(account_api_url=apis.account_api_url, ledger_api_url=apis.ledger_api_url),
            registry=CollectorRegistry(),
        ),
    ):
        yield


def _account_api(engine: Engine) -> FastAPI:
    app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())
    account_worker.api.add_routes(app, engine, NoFaults())
    return app


def _ledger_api(engine: Engine) -> FastAPI:
    app = create_app(Process.LEDGER_API, {}, registry=CollectorRegistry())
    ledger_worker.api.add_routes(app, engine)
    return app
