"""Two loaded databases, and reconciliation over them by the services' own APIs."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from account_worker.api import add_routes
from account_worker.demo_faults import NoFaults
from account_worker.main import MIGRATIONS as ACCOUNTS_MIGRATIONS
from integration.planted_discrepancies import ACCOUNTS, LEDGER, PLANTS, Plant, Target, plant, targets
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from ledger_worker.main import api_app
from live_server import live_server
from loader import Load, load
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app
from service_runtime.database import create_database_engine, migrate
from service_runtime.internal_client import InternalClient
from status_checker.reconciliation import reconcile
from status_checker.settings import StatusCheckerSettings
from transfer_contract.http import Reconciliation
from transfer_contract.names import Process

CALL_SECONDS: Final[float] = StatusCheckerSettings.model_fields["internal_timeout_seconds"].default
"""As the product's status-checker has it for each of its calls."""


@dataclass(frozen=True)
class LoadedBooks:
    """The databases' URLs, as `postgresql+psycopg://…`."""

    accounts_url: str
    ledger_url: str
    loaded: Load

    @classmethod
    def load(cls, accounts_url: str, ledger_url: str, wanted: Load) -> "LoadedBooks":
        migrate(accounts_url, ACCOUNTS_MIGRATIONS)
        migrate(ledger_url, LEDGER_MIGRATIONS)
        load(accounts_url, ledger_url, wanted)
        return cls(accounts_url, ledger_url, wanted)

    def targets(self) -> dict[str, Target]:
        """By the plant's name: the transfer that it is for."""
        with psycopg.connect(_plain(self.accounts_url)) as connection:
            ids = self.loaded.transfer_ids(connection, *(each.number for each in PLANTS))
            found = targets(connection, ids)
        return {each.name: found[transfer_id] for each, transfer_id in zip(PLANTS, ids, strict=True)}

    def plant(self, planted: Plant, target: Target) -> None:
        url = {ACCOUNTS: self.accounts_url, LEDGER: self.ledger_url}[planted.database]
        with psycopg.connect(_plain(url)) as connection:
            plant(connection, planted, target)

    async def reconcile(self) -> Reconciliation:
        async with self._apis() as (account_api, ledger_api):
            return await reconcile(account_api, ledger_api)

    @asynccontextmanager
    async def _apis(self) -> AsyncIterator[tuple[InternalClient, InternalClient]]:
        with ExitStack() as stack:
            accounts, ledger = (
                create_database_engine(url, pool_size=2) for url in (self.accounts_url, self.ledger_url)
            )
            stack.callback(accounts.dispose)
            stack.callback(ledger.dispose)
            app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())
            add_routes(app, accounts, NoFaults())
            async with (
                live_server(app) as account_server,
                live_server(api_app(ledger)) as ledger_server,
                InternalClient(Process.ACCOUNT_API, account_server.url, timeout_seconds=CALL_SECONDS) as account_api,
                InternalClient(Process.LEDGER_API, ledger_server.url, timeout_seconds=CALL_SECONDS) as ledger_api,
            ):
                yield account_api, ledger_api


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
