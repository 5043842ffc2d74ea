"""Requests of earlier transfers that arrive late, or once more, at the participants' own code on the real databases."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

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
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, exists, func, literal_column, not_, select, text
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

_TRANSFERS: Final = 15
"""With a tombstone, and as many without."""
_WRITTEN: Final = text("SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables")
"""Rows that this session has written and not yet reported, so the difference is its transaction's."""
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
    """Requests that come late to some transfers, finished or not: each answers its row, and writes nothing.

    Among them are transfers whose compensation came before the step itself and has left a tombstone.
    Raises AssertionError where one answers anything else, or writes.
    """
    server = system.databases[fault.target]
    url = server.url(fault.target).replace("postgresql://", "postgresql+psycopg://")
    ledger = fault.target == "ledger"
    delivered, behind = await asyncio.to_thread(deliver_all, url, str(fault.numbers[0]), ledger=ledger)
    return Effect(delivered, f"{server.name}: late requests, {behind} of them steps behind a compensation's tombstone")


def deliver_all(url: str, seed: str, *, ledger: bool) -> tuple[int, int]:
    """Answers how many, and how many of them met a tombstone."""
    engine = create_database_engine(url, pool_size=1)
    try:
        found = in_transaction(engine, lambda connection: (_in_ledger if ledger else _in_accounts)(connection, seed))
        requests = [(deliver, *delivery) for delivery in found for deliver in late_requests(delivery[1])]
        for deliver, request, row in requests:
            in_transaction(engine, lambda c, d=deliver, t=request, r=row: deliver_late(c, d, t, r))  # type: ignore[misc]
    finally:
        engine.dispose()
    return len(requests), sum(row.forward is None for _request, row in found)


def deliver_late(connection: Connection, deliver: Deliver, request: TransferRequest, row: StepRow) -> None:
    before = connection.scalar(_WRITTEN)
    [answer] = deliver(connection, request, row)
    written = connection.scalar(_WRITTEN) - before
    _judge(answer, row)
    assert written == 0, f"{row}: a request that came late has written {written} rows"


def _judge(answer: StepRow | StepProblem, row: StepRow) -> None:
    """Between the look and the delivery a row that is applied may have been compensated, nothing else."""
    assert isinstance(answer, StepRow), f"{row} answered a late request by {answer!r}"
    if row.decision is Decision.APPLIED:
        assert answer.decision in (Decision.APPLIED, Decision.COMPENSATED), f"{row} answered by {answer}"
    else:
        assert answer == row, f"{row} answered a late request by {answer}"


def late_requests(row: StepRow) -> list[Deliver]:
    """Those that the rules allow while it stands: its step, made ever or not, and its compensation if that is sure to
    have come: what is applied may be compensated in accounts by nobody who doesn't know that the door is shut."""
    if row.step is Step.RECORD:
        return [_record, _record_compensation]
    if row.step is Step.RELEASE or row.decision is Decision.APPLIED:
        return [_step]
    return [_step, _step_compensation]


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
    transfers, decisions = account_models.transfers, account_models.decisions
    tombstone = exists().where(decisions.c.transfer_id == transfers.c.transfer_id, decisions.c.forward.is_(None))
    found = _some(connection, select(transfers, account_models.rows_of(transfers.c.transfer_id)), tombstone, seed)
    return [
        (account_models.transfer_request(row), step_row)
        for row in found
        for step_row in account_models.step_rows(row).values()
    ]


def _in_ledger(connection: Connection, seed: str) -> list[Delivery]:
    decided = ledger_models.requests_and_rows.where(ledger_models.decisions.c.decision.is_not(None))
    found = _some(connection, decided, ledger_models.decisions.c.forward.is_(None), seed)
    return [(ledger_models.transfer_request(row), ledger_models.step_row(row)) for row in found]


def _some(
    connection: Connection, query: Select[Any], tombstone: ColumnElement[bool], seed: str
) -> Iterator[RowMapping]:
    order = func.md5(literal_column("transfers.transfer_id") + seed)
    for chosen in (tombstone, not_(tombstone)):
        yield from connection.execute(query.where(chosen).order_by(order).limit(_TRANSFERS)).mappings()
