"""Late requests on the real databases: they write nothing, and one that would is found."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from account_worker import steps as account_steps
from account_worker.main import MIGRATIONS as ACCOUNT_MIGRATIONS
from chaos.delivery_faults import deliver_all, deliver_late
from ledger_worker import steps as ledger_steps
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction, migrate
from sqlalchemy import Connection, text
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

ATTEMPT: Final = Attempt(number=1, scheduled_at=datetime.now(UTC))
FAILURE: Final = Failure(code=FailureCode.CANCELLED, detail="by the test")
ACCOUNTS: Final = """
    INSERT INTO accounts (id, kind, owner, currency, balance_minor, opening_balance_minor)
    VALUES ('a', 'customer', 'A', 'EUR', 100, 0), ('b', 'customer', 'B', 'EUR', 0, 0)
"""


def transfer(transfer_id: str) -> TransferRequest:
    return TransferRequest(
        transfer_id=transfer_id, source_account="a", destination_account="b", amount_minor=10, currency="EUR",
        created_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str]) -> str:
    """One transfer on its way, one completed, one undone, and one undone before its first step."""
    url = new_database()
    migrate(url, ACCOUNT_MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    forward = [account_steps.WITHDRAW, account_steps.DEPOSIT, account_steps.RELEASE]
    undo = [account_steps.DEPOSIT_COMPENSATION, account_steps.WITHDRAW_COMPENSATION]

    def plant(connection: Connection) -> None:
        connection.execute(text(ACCOUNTS))
        for transfer_id, steps in (("on-its-way", 1), ("completed", 3), ("undone", 2)):
            for step in forward[:steps]:
                account_steps.run_step(connection, step, [transfer(transfer_id)], ATTEMPT)
        for transfer_id in ("undone", "never-begun"):
            for compensation in undo:
                abort = AbortRequest(transfer=transfer(transfer_id), failure=FAILURE)
                account_steps.run_step(connection, compensation, [abort], ATTEMPT)

    in_transaction(engine, plant)
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def ledger(new_database: Callable[[], str]) -> str:
    url = new_database()
    migrate(url, LEDGER_MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)

    def plant(connection: Connection) -> None:
        ledger_steps.record(connection, [transfer("recorded")], ATTEMPT, lambda _: None)
        abort = AbortRequest(transfer=transfer("shut"), failure=FAILURE)
        ledger_steps.record_compensation(connection, [abort], ATTEMPT)

    in_transaction(engine, plant)
    engine.dispose()
    return url


def test_late_steps_and_compensations_find_their_rows_in_accounts(accounts: str) -> None:
    """Steps: of 1, 3, 2 and 2 rows; compensations: of the four that are undone, two of them tombstones."""
    assert deliver_all(accounts, "seed", ledger=False) == (8 + 4, 2)


def test_late_records_and_doors_find_their_rows_in_the_ledger(ledger: str) -> None:
    assert deliver_all(ledger, "seed", ledger=True) == (4, 1)


def test_a_late_request_that_writes_is_found(accounts: str) -> None:
    row = StepRow(transfer_id="on-its-way", step=Step.WITHDRAW, decision=Decision.APPLIED)

    def pays_again(connection: Connection, _request: TransferRequest, row: StepRow) -> list[StepRow]:
        connection.execute(text("UPDATE accounts SET balance_minor = balance_minor - 10 WHERE id = 'a'"))
        return [row]

    engine = create_database_engine(accounts, pool_size=1)
    with pytest.raises(AssertionError, match="has written 1 rows"):
        in_transaction(engine, lambda connection: deliver_late(connection, pays_again, transfer("on-its-way"), row))
    engine.dispose()


def test_a_late_request_that_is_answered_otherwise_is_found(accounts: str) -> None:
    row = StepRow(transfer_id="never-begun", step=Step.DEPOSIT, decision=Decision.CANCELLED)
    applied = row.model_copy(update={"decision": Decision.APPLIED})
    engine = create_database_engine(accounts, pool_size=1)
    with pytest.raises(AssertionError, match="answered a late request"):
        in_transaction(engine, lambda c: deliver_late(c, lambda *_: [applied], transfer("never-begun"), row))
    engine.dispose()
