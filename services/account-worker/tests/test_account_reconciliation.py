"""Reconciliation: right books are clean, every planted fault is found."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from account_worker import steps
from account_worker.account_lifecycle import open_account as open_account_in
from account_worker.main import MIGRATIONS
from account_worker.reconciliation import reconcile
from pydantic import TypeAdapter
from service_runtime.database import create_database_engine, in_transaction, migrate
from sqlalchemy import Connection, Engine, text
from transfer_contract.http import (
    BUCKETS,
    AccountsReconciliation,
    CurrencyTotals,
    FinalTransfer,
    FinalTransfers,
    FinalTransfersQuery,
    NewAccount,
)
from transfer_contract.steps import FinalStatus, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Run = Callable[..., StepRow]
Abort = Callable[..., AbortRequest]


WHOLE_TRANSFER = """
    INSERT INTO transfers VALUES ('{}', 'f', '{}', '{}', {}, 'EUR', NULL, NULL, now(), 'completed', now());
    INSERT INTO decisions SELECT '{}', unnest(ARRAY['withdraw', 'deposit', 'release']), 'applied', '{{}}'
"""
PLANTED = [
    (["UPDATE accounts SET balance_minor = 101 WHERE id = 'alice'"], ["balance_not_from_rows"]),
    (["UPDATE accounts SET held_minor = 1 WHERE id = 'bob'"], ["held_not_from_rows"]),
    (["UPDATE accounts SET balance_minor = 50 WHERE kind = 'customer'"], ["balance_not_from_rows"] * 2),
    (["DELETE FROM accounts WHERE id = 'alice'"], ["balance_not_from_rows"]),
    (["UPDATE transfers SET final_status = 'compensated'"], ["status_not_from_rows"]),
    (["UPDATE transfers SET final_status = NULL, finished_at = NULL"], ["status_not_from_rows"]),
    (["DELETE FROM decisions WHERE step = 'release'"], ["balance_not_from_rows", "status_not_from_rows"]),
    (["DELETE FROM decisions WHERE step = 'withdraw'"], ["balance_not_from_rows", "released_without_both"]),
    (
        ["UPDATE decisions SET decision = 'compensated' WHERE step = 'deposit'"],
        ["balance_not_from_rows", "released_without_both"],
    ),
    (
        [
            "DELETE FROM decisions WHERE step = 'release'",
            "UPDATE decisions SET decision = 'cancelled' WHERE step = 'withdraw'",
        ],
        ["balance_not_from_rows", "balance_not_from_rows", "deposit_without_withdraw"],
    ),
    (["DELETE FROM decisions WHERE step = 'deposit'"], ["balance_not_from_rows", "released_without_both"]),
    (
        [
            "ALTER TABLE decisions DROP CONSTRAINT decisions_transfer_id_fkey",
            "INSERT INTO decisions SELECT 'nobody', 'withdraw', 'cancelled', NULL, '{}'",
        ],
        ["row_without_transfer"],
    ),
    (["DELETE FROM decisions", "UPDATE accounts SET balance_minor = 0"], ["transfer_without_rows"]),
    (
        [
            "ALTER TABLE accounts DROP CONSTRAINT customer_not_below_zero",
            WHOLE_TRANSFER.format("t2", "bob", "alice", 5, "t2"),
            "UPDATE accounts SET balance_minor = -5 WHERE id = 'bob'",
            "UPDATE accounts SET balance_minor = 105 WHERE id = 'alice'",
        ],
        ["customer_below_zero"],
    ),
]


def totals(api: httpx.Client, currency: str) -> CurrencyTotals:
    report = AccountsReconciliation.model_validate(api.get("/reconciliation").json())
    assert report.discrepancies == []
    return next(found for found in report.currencies if found.currency == currency)


def test_every_state_of_a_transfer_sums_to_zero(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort
) -> None:
    source, destination = open_account(1000, "SEK"), open_account(0, "SEK")
    request = new_transfer(source, destination, 300, currency="SEK")

    def expect(balances: int, held: int, in_transit: int) -> None:
        assert totals(api, "SEK") == CurrencyTotals(
            currency="SEK",
            balances_minor=balances,
            held_minor=held,
            in_transit_minor=in_transit,
            sum_minor=0,
        )

    expect(0, 0, 0)
    run(steps.WITHDRAW, request)
    expect(-300, 0, 300)
    run(steps.DEPOSIT, request)
    expect(-300, 300, 0)
    run(steps.RELEASE, request)
    expect(0, 0, 0)
    aborted = new_transfer(source, destination, 300, currency="SEK")
    run(steps.WITHDRAW, aborted)
    run(steps.DEPOSIT, aborted)
    run(steps.WITHDRAW_COMPENSATION, abort(aborted))  # past a parked deposit_compensation, as rule 6 has it
    expect(0, 300, -300)
    run(steps.DEPOSIT_COMPENSATION, abort(aborted))
    expect(0, 0, 0)
    shut = new_transfer(source, destination, 300, currency="SEK")
    run(steps.WITHDRAW, shut)
    run(steps.DEPOSIT_COMPENSATION, abort(shut))
    expect(-300, 0, 300)
    run(steps.WITHDRAW_COMPENSATION, abort(shut))
    expect(0, 0, 0)


def test_final_transfers_are_paged_by_id_with_what_the_ledger_is_judged_by(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort
) -> None:
    source, destination = open_account(1000), open_account()
    completed, rejected, compensated, late, running = (new_transfer(source, destination) for _ in range(5))
    for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
        run(step, completed)
    refused = rejected.model_copy(update={"source_account": "nobody"})
    run(steps.WITHDRAW, refused)
    for request in (compensated, running):
        run(steps.WITHDRAW, request)
    run(steps.DEPOSIT, compensated)
    for compensation in (steps.DEPOSIT_COMPENSATION, steps.WITHDRAW_COMPENSATION):
        run(compensation, abort(compensated))
        run(compensation, abort(late))
    found: list[FinalTransfer] = []
    after: str | None = ""
    while after is not None:
        wanted = FinalTransfersQuery(buckets=[*range(BUCKETS)], after=after, limit=2)
        answer = api.post("/reconciliation/final-transfers", json=wanted.model_dump())
        page = FinalTransfers.model_validate(answer.json())
        found += TypeAdapter(list[FinalTransfer]).validate_json(page.transfers)
        after = page.last
    assert [item.transfer_id for item in found] == sorted(item.transfer_id for item in found)
    judged = {item.transfer_id: (item.status, item.deposit_shut) for item in found}
    assert running.transfer_id not in judged
    assert judged[completed.transfer_id] == (FinalStatus.COMPLETED, False)
    assert judged[rejected.transfer_id] == (FinalStatus.REJECTED, False)
    assert judged[compensated.transfer_id] == (FinalStatus.COMPENSATED, False)
    assert judged[late.transfer_id] == (FinalStatus.COMPENSATED, True)
    first = next(item for item in found if item.transfer_id == completed.transfer_id)
    fields = ("source_account", "destination_account", "amount_minor", "currency")
    assert first.model_dump(include=set(fields)) == completed.model_dump(include=set(fields))


def execute_all(connection: Connection, commands: list[str]) -> None:
    for command in commands:
        connection.execute(text(command))


@pytest.fixture
def damaged(new_database: Callable[[], str]) -> Iterator[Engine]:
    """Two accounts and one completed transfer, in a database of its own to plant faults in."""
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=2)
    for account_id in ("alice", "bob"):
        new = NewAccount(id=account_id, owner="Ann", currency="EUR")
        in_transaction(engine, lambda connection, new=new: open_account_in(connection, new))  # type: ignore[misc]
    with engine.begin() as connection:
        execute_all(
            connection,
            [
                WHOLE_TRANSFER.format("t1", "treasury-eur", "alice", 100, "t1"),
                "UPDATE accounts SET balance_minor = -100 WHERE id = 'treasury-eur'",
                "UPDATE accounts SET balance_minor = 100 WHERE id = 'alice'",
            ],
        )
    assert reconcile(engine).discrepancies == []
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("damage", "kinds"), PLANTED)
def test_a_planted_fault_is_found(damage: list[str], kinds: list[str], damaged: Engine) -> None:
    with damaged.begin() as connection:
        execute_all(connection, damage)
    report = reconcile(damaged)
    assert [found.kind for found in report.discrepancies] == kinds
    assert all(found.account or found.transfer_id for found in report.discrepancies)


def test_a_sum_that_two_faults_leave_as_it_was_is_not_taken_for_a_proof(damaged: Engine) -> None:
    """One transfer lacks a release and another has one too many."""
    with damaged.begin() as connection:
        lacking = (
            "INSERT INTO transfers VALUES ('t3', 'f', 'bob', 'alice', 1, 'EUR', NULL, NULL, now(), 'rejected', now())"
        )
        rows = "INSERT INTO decisions VALUES ('t3', 'withdraw', 'rejected', '{}'), ('t3', 'release', 'applied', '{}')"
        execute_all(connection, [lacking, rows, "DELETE FROM decisions WHERE transfer_id = 't1' AND step = 'release'"])
    wrong = [found.transfer_id for found in reconcile(damaged).discrepancies if found.transfer_id]
    assert wrong == ["t1", "t3"]


def test_money_from_nowhere_is_seen_in_the_sum(damaged: Engine) -> None:
    with damaged.begin() as connection:
        connection.execute(text("UPDATE accounts SET balance_minor = 107 WHERE id = 'alice'"))
    assert [found.sum_minor for found in reconcile(damaged).currencies] == [7]


def test_the_snapshot_is_one_for_all_its_queries_and_writes_nothing(engine: Engine) -> None:
    reconcile(engine)
    with engine.connect() as connection:  # and the connection goes back to the pool as it was
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert connection.scalar(text("SHOW transaction_read_only")) == "off"
