"""Requests of earlier transfers that arrive once more, late, at the participants' own code on the real databases."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from account_worker import models as account_models
from account_worker import steps as account_steps
from account_worker.accounts import StepProblem
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from ledger_worker import models as ledger_models
from ledger_worker import steps as ledger_steps
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction
from sqlalchemy import Connection, func, select
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

_TRANSFERS: Final = 25
_FAILURE: Final = Failure(code=FailureCode.CANCELLED, detail="a request that came twice")
_FORWARD: Final = {
    Step.WITHDRAW: account_steps.WITHDRAW,
    Step.DEPOSIT: account_steps.DEPOSIT,
    Step.RELEASE: account_steps.RELEASE,
}
_COMPENSATIONS: Final = {
    Step.WITHDRAW: account_steps.WITHDRAW_COMPENSATION,
    Step.DEPOSIT: account_steps.DEPOSIT_COMPENSATION,
}
Delivery = tuple[TransferRequest, StepRow]
Deliver = Callable[[Connection, TransferRequest, StepRow], Sequence[StepRow | StepProblem]]


async def deliver_again(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Every request that has left its mark in a row, of some transfers, finished or not. Each answers its row.

    Raises AssertionError where one answers anything else.
    """
    server = system.databases[fault.target]
    url = server.url(fault.target).replace("postgresql://", "postgresql+psycopg://")
    ledger = fault.target == "ledger"
    delivered = await asyncio.to_thread(_deliver_all, url, str(fault.numbers[0]), ledger=ledger)
    return Effect(delivered, f"{server.name}: requests delivered once more")


def _deliver_all(url: str, seed: str, *, ledger: bool) -> int:
    engine = create_database_engine(url, pool_size=1)
    try:
        found = in_transaction(engine, lambda connection: (_in_ledger if ledger else _in_accounts)(connection, seed))
        requests = [(deliver, *delivery) for delivery in found for deliver in _made(delivery[1], ledger=ledger)]
        for deliver, request, row in requests:
            [answer] = in_transaction(engine, lambda c, d=deliver, t=request, r=row: d(c, t, r))  # type: ignore[misc]
            _judge(answer, row)
    finally:
        engine.dispose()
    return len(requests)


def _judge(answer: StepRow | StepProblem, row: StepRow) -> None:
    """Between the look and the delivery the row may have been compensated, nothing else."""
    allowed = {row.decision, Decision.COMPENSATED} if row.decision is Decision.APPLIED else {row.decision}
    assert isinstance(answer, StepRow), f"{row} answered a request that came twice by {answer!r}"
    assert answer.decision in allowed, f"{row} answered a request that came twice by {answer}"


def _made(row: StepRow, *, ledger: bool) -> list[Deliver]:
    """The requests that wrote the row: others have perhaps never been made."""
    forward: Deliver = _record if ledger else _step
    compensation: Deliver = _record_compensation if ledger else _step_compensation
    return [forward] * (row.forward is not None) + [compensation] * (row.compensation is not None)


def _step(connection: Connection, request: TransferRequest, row: StepRow) -> Sequence[StepRow | StepProblem]:
    return account_steps.run_step(connection, _FORWARD[row.step], [request], _attempt())


def _step_compensation(
    connection: Connection, request: TransferRequest, row: StepRow
) -> Sequence[StepRow | StepProblem]:
    abort = AbortRequest(transfer=request, failure=_FAILURE)
    return account_steps.run_step(connection, _COMPENSATIONS[row.step], [abort], _attempt())


def _record(connection: Connection, request: TransferRequest, row: StepRow) -> Sequence[StepRow]:
    return ledger_steps.record(connection, [request], _attempt(), lambda _: None)


def _record_compensation(connection: Connection, request: TransferRequest, row: StepRow) -> Sequence[StepRow]:
    abort = AbortRequest(transfer=request, failure=_FAILURE)
    return ledger_steps.record_compensation(connection, [abort], _attempt())


def _attempt() -> Attempt:
    return Attempt(number=1, scheduled_at=datetime.now(UTC))


def _in_accounts(connection: Connection, seed: str) -> list[Delivery]:
    transfers = account_models.transfers
    rows = account_models.rows_of(transfers.c.transfer_id)
    found = connection.execute(
        select(transfers, rows).order_by(func.md5(transfers.c.transfer_id + seed)).limit(_TRANSFERS)
    ).mappings()
    return [
        (account_models.transfer_request(row), step_row)
        for row in found
        for step_row in account_models.step_rows(row).values()
    ]


def _in_ledger(connection: Connection, seed: str) -> list[Delivery]:
    transfers = ledger_models.transfers
    found = connection.execute(
        ledger_models.requests_and_rows.order_by(func.md5(transfers.c.transfer_id + seed)).limit(_TRANSFERS)
    ).mappings()
    return [(ledger_models.transfer_request(row), ledger_models.step_row(row)) for row in found if row["decision"]]
