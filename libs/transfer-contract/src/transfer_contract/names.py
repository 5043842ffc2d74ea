"""The names that processes find each other by: processes, task queues, workflows, search attribute, signal."""

from enum import StrEnum
from typing import Final

from temporalio.common import SearchAttributeKey


class Process(StrEnum):
    """The eight processes, by the names that every tool uses."""

    GATEWAY = "gateway"
    WORKFLOW_HANDLER = "workflow-handler"
    WORKFLOW_WORKER = "workflow-worker"
    STATUS_CHECKER = "status-checker"
    ACCOUNT_WORKER = "account-worker"
    ACCOUNT_API = "account-api"
    LEDGER_WORKER = "ledger-worker"
    LEDGER_API = "ledger-api"


class TaskQueue(StrEnum):
    TRANSFERS = "transfers"
    ACCOUNTS = "accounts"
    LEDGER = "ledger"


WORKER_OF_QUEUE: Final = {
    TaskQueue.TRANSFERS: Process.WORKFLOW_WORKER,
    TaskQueue.ACCOUNTS: Process.ACCOUNT_WORKER,
    TaskQueue.LEDGER: Process.LEDGER_WORKER,
}

TRANSFER_MONEY: Final = "TransferMoney"
"""The workflow type of a transfer."""

TRANSFER_BATCH: Final = "TransferBatch"
"""The workflow type of a batch of transfers."""

RECONCILE_TRANSFERS: Final = "ReconcileTransfers"
"""The workflow type of a run of the reconciler. It needs no argument, so anybody may start one by hand."""

FINISH_TRANSFER: Final = "FinishTransfer"
"""The workflow type that the reconciler starts for each transfer that nobody carries."""

FINISH_BATCH: Final = "FinishBatch"
"""The workflow type that the reconciler starts for each batch that nobody carries."""

RECONCILIATION_SCHEDULE: Final = "reconcile-transfers"
"""The id of the schedule that starts the runs of the reconciler."""

PARKED_SIGNAL: Final = "parked"
"""A signal to a transfer's workflow, sent by a worker whose attempt is above the limit; carries the activity's name."""

PARKED_AFTER_ATTEMPTS: Final = 5
"""A compensation or `release` whose attempt, as `describe` shows it, is above this is parked: it needs attention."""

TRANSFER_STATUS: Final = SearchAttributeKey.for_keyword("TransferStatus")
"""Written only on entering `compensating` or `needs_attention`, so the happy path never pays for it."""

_WORKFLOW_ID_PREFIX: Final = "transfer-"
_FINISHER_ID_PREFIX: Final = "finish-"
_BATCH_ID_PREFIX: Final = "batch-"
_BATCH_FINISHER_ID_PREFIX: Final = "finish-batch-"


def workflow_id(transfer_id: str) -> str:
    """The one workflow id of a transfer, in every run (rule 3)."""
    return f"{_WORKFLOW_ID_PREFIX}{transfer_id}"


def finisher_id(transfer_id: str) -> str:
    """The one id of the workflow that finishes an abandoned transfer: however many reconcilers run, one does it."""
    return f"{_FINISHER_ID_PREFIX}{transfer_id}"


def batch_workflow_id(batch_id: str) -> str:
    """The one workflow id of a batch, in every run."""
    return f"{_BATCH_ID_PREFIX}{batch_id}"


def batch_finisher_id(batch_id: str) -> str:
    """The one id of the workflow that finishes an abandoned batch."""
    return f"{_BATCH_FINISHER_ID_PREFIX}{batch_id}"
