"""A ledger on a real PostgreSQL for each test module, found sound when the module ends."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from ledger_worker.main import MIGRATIONS
from ledger_worker.models import decisions, entries, ledger_accounts, transfers
from ledger_worker.reconciliation import reconcile
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, migrate
from sqlalchemy import Engine, select
from transfer_contract.transfers import Scenario, TransferRequest


@pytest.fixture(scope="session")
def new_ledger(new_database: Callable[[], str]) -> Callable[[], Engine]:
    """Makes a ledger of its own. Whoever asks for it disposes of it."""

    def make() -> Engine:
        url = new_database()
        migrate(url, MIGRATIONS)
        return create_database_engine(url, pool_size=20)

    return make


@pytest.fixture(scope="module")
def ledger_engine(new_ledger: Callable[[], Engine]) -> Iterator[Engine]:
    engine = new_ledger()
    yield engine
    assert_sound(engine)
    engine.dispose()


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(number=1, scheduled_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def new_transfer() -> Callable[..., TransferRequest]:
    def make(
        source: str = "alice",
        destination: str = "bob",
        amount_minor: int = 2500,
        *,
        currency: str = "EUR",
        scenario: Scenario | None = None,
        transfer_id: str | None = None,
    ) -> TransferRequest:
        return TransferRequest(
            transfer_id=transfer_id or str(uuid4()),
            source_account=source,
            destination_account=destination,
            amount_minor=amount_minor,
            currency=currency,
            reference="rent",
            scenario=scenario,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    return make


def assert_sound(engine: Engine) -> None:
    """The product's own judgement, and the same by brute force: every row read, every sum made in Python."""
    assert reconcile(engine).discrepancies == []
    with engine.connect() as connection:
        stored = {row.transfer_id: row for row in connection.execute(select(transfers))}
        decided = {row.transfer_id: row.decision for row in connection.execute(select(decisions))}
        balances = {row.id: row for row in connection.execute(select(ledger_accounts))}
        entered = connection.execute(select(entries).order_by(entries.c.id)).all()
    assert stored.keys() == decided.keys()

    found: dict[str, set[tuple[str, int, str]]] = {transfer_id: set() for transfer_id in stored}
    running: dict[str, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    latest: dict[str, datetime] = {}
    for entry in entered:
        found[entry.transfer_id].add((entry.account_id, entry.amount_minor, entry.currency))
        running[entry.account_id] += entry.amount_minor
        totals[entry.currency] += entry.amount_minor
        assert entry.balance_after_minor == running[entry.account_id]
        assert entry.currency == balances[entry.account_id].currency
        assert entry.created_at >= latest.get(entry.account_id, entry.created_at)
        latest[entry.account_id] = entry.created_at
    for transfer_id, transfer in stored.items():
        debit = (transfer.source_account, -transfer.amount_minor, transfer.currency)
        credit = (transfer.destination_account, transfer.amount_minor, transfer.currency)
        assert found[transfer_id] == ({debit, credit} if decided[transfer_id] == "applied" else set())
    assert len(entered) == 2 * list(decided.values()).count("applied")
    assert {account_id: row.balance_minor for account_id, row in balances.items() if row.balance_minor} == {
        account_id: balance for account_id, balance in running.items() if balance
    }
    assert not any(totals.values())
