"""A final transfer from its decision rows alone: the same bytes before and after Temporal has forgotten it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from transfer_contract.steps import (
    REFUSALS,
    Compensation,
    Decision,
    FailureCode,
    FinalStatus,
    Step,
    StepRow,
    final_status,
    original_failure,
)
from transfer_contract.transfers import TransferRequest, TransferStatus, TransferView

from status_checker.step_views import compensation_view, forward_view, in_starting_order, transfer_view

_DOOR_SHUT: Final = REFUSALS | {FailureCode.INTERRUPTED}
"""The failures of a step that answered, though not `applied`."""


def final_view(transfer: TransferRequest, rows: Iterable[StepRow]) -> TransferView:
    """From the rows of both participants, whoever handed them over. Raises ValueError where they aren't final."""
    by_step = {row.step: row for row in rows}
    status = final_status(by_step.values())
    if status is None:
        raise ValueError(f"the rows of {transfer.transfer_id} are not final")
    failure = original_failure(by_step.values())
    finished_at = _finished_at(by_step, status)
    counted = {step: row for step, row in by_step.items() if _counts(row, by_step, status, finished_at)}
    forward = [forward_view(step, counted.get(step), failure) for step in Step]
    undone = in_starting_order(compensation_view(c, counted.get(c.step)) for c in Compensation)
    return transfer_view(
        transfer, TransferStatus(status), [*forward, *undone], failure=failure, finished_at=finished_at
    )


def are_complete(rows: Iterable[StepRow]) -> bool:
    """True where they must be all that the final transfer has: a run hears only the steps that it asks for."""
    by_step = {row.step: row for row in rows}
    match final_status(by_step.values()):
        case None:
            return False
        case FinalStatus.REJECTED:
            return True
        case FinalStatus.COMPLETED:
            needed = set(Step)
        case FinalStatus.COMPENSATED if _deposit_shut_the_door(by_step):
            needed = {Step.WITHDRAW, Step.DEPOSIT}
        case FinalStatus.COMPENSATED:
            needed = {Step.WITHDRAW, Step.DEPOSIT, Step.RECORD}
    return needed <= by_step.keys()


def _finished_at(rows: Mapping[Step, StepRow], status: FinalStatus) -> datetime:
    """When rule 10 first held. A deposit's compensation can be later than the withdraw's, where it had been parked."""
    if status is FinalStatus.COMPLETED:
        return rows[Step.RELEASE].finished_at
    withdraw, deposit = rows[Step.WITHDRAW], rows.get(Step.DEPOSIT)
    if deposit is not None and deposit.decision is Decision.COMPENSATED:
        return max(withdraw.finished_at, deposit.finished_at)
    return withdraw.finished_at


def _counts(row: StepRow, rows: Mapping[Step, StepRow], status: FinalStatus, finished_at: datetime) -> bool:
    """False for what came after the end: a tombstone, or a deposit that its guard shut. Final is final in every field.

    A compensated transfer's door was shut before anything was undone (rule 6), whatever the ledger's clock says; or
    else by the deposit, and a tombstone of the record is a later run's. A rejected one is its withdraw alone, which
    is all that its own run hears.
    """
    if row.decision is not Decision.CANCELLED:
        return True
    if status is FinalStatus.REJECTED:
        return False
    if row.step is Step.RECORD and status is FinalStatus.COMPENSATED:
        return not _deposit_shut_the_door(rows)
    return row.finished_at <= finished_at


def _deposit_shut_the_door(rows: Mapping[Step, StepRow]) -> bool:
    """Rule 5's second shortcut. A deposit that a compensation changed or wrote had the record's before it."""
    withdraw, deposit = rows[Step.WITHDRAW], rows.get(Step.DEPOSIT)
    failure = withdraw.failure
    heard = failure is not None and failure.step is Step.DEPOSIT and failure.code in _DOOR_SHUT
    return heard and (deposit is None or deposit.compensation is None)
