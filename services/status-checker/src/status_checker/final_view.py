"""A final transfer from its decision rows alone: the same bytes before and after Temporal has forgotten it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from transfer_contract.steps import Compensation, Decision, FinalStatus, Step, StepRow, final_status, original_failure
from transfer_contract.transfers import TransferRequest, TransferStatus, TransferView

from status_checker.step_views import compensation_view, forward_view, in_starting_order, transfer_view


def final_view(transfer: TransferRequest, rows: Iterable[StepRow]) -> TransferView:
    """From the rows of both participants, whoever handed them over. Raises ValueError where they aren't final."""
    by_step = {row.step: row for row in rows}
    status = final_status(by_step.values())
    if status is None:
        raise ValueError(f"the rows of {transfer.transfer_id} are not final")
    failure = original_failure(by_step.values())
    finished_at = _finished_at(by_step, status)
    counted = {step: row for step, row in by_step.items() if _counts(row, status, finished_at)}
    forward = [forward_view(step, counted.get(step), failure) for step in Step]
    undone = in_starting_order(compensation_view(c, counted.get(c.step)) for c in Compensation)
    return transfer_view(
        transfer, TransferStatus(status), [*forward, *undone], failure=failure, finished_at=finished_at
    )


def _finished_at(rows: Mapping[Step, StepRow], status: FinalStatus) -> datetime:
    """When rule 10 first held. A deposit's compensation can be later than the withdraw's, where it had been parked."""
    if status is FinalStatus.COMPLETED:
        return rows[Step.RELEASE].finished_at
    withdraw, deposit = rows[Step.WITHDRAW], rows.get(Step.DEPOSIT)
    if deposit is not None and deposit.decision is Decision.COMPENSATED:
        return max(withdraw.finished_at, deposit.finished_at)
    return withdraw.finished_at


def _counts(row: StepRow, status: FinalStatus, finished_at: datetime) -> bool:
    """False for a tombstone that came after the end (an abort that went on): a final transfer changes in no field.

    A compensated transfer's door was shut before anything was undone (rule 6), whatever the ledger's clock says.
    """
    shut_before = row.step is Step.RECORD and status is FinalStatus.COMPENSATED
    return row.forward is not None or shut_before or row.finished_at <= finished_at
