"""Both participants' databases, migrated, for the schedules."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from account_worker.main import MIGRATIONS as ACCOUNT_MIGRATIONS
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from model.real_participants import Databases
from service_runtime.database import create_database_engine, migrate
from sqlalchemy import Connection, Engine


@pytest.fixture(scope="module")
def databases(new_database: Callable[[], str]) -> Iterator[Databases]:
    with ExitStack() as stack:
        accounts = stack.enter_context(_migrated(new_database(), ACCOUNT_MIGRATIONS))
        ledger = stack.enter_context(_migrated(new_database(), LEDGER_MIGRATIONS))
        readers = [stack.enter_context(_reader(engine)) for engine in (accounts, ledger)]
        yield Databases(accounts, ledger, *readers)


@contextmanager
def _migrated(url: str, migrations: Path) -> Iterator[Engine]:
    migrate(url, migrations)
    engine = create_database_engine(url, pool_size=2)
    yield engine
    engine.dispose()


def _reader(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
