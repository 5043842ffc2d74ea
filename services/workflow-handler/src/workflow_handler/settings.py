"""Settings of the two processes, from the environment."""

from pydantic import Field
from service_runtime.settings import ServiceSettings, WorkerSettings
from transfer_contract.names import Process


class ApiSettings(ServiceSettings):
    account_api_url: str
    ledger_api_url: str
    reconciliation_interval_seconds: float = Field(default=15, ge=1)
    """How often the schedule starts a run of the reconciler."""
    internal_timeout_seconds: float = 1.0
    """For one call to account-api or ledger-api; all that one call does shares `ANSWER_SECONDS`."""


class WorkflowWorkerSettings(WorkerSettings):
    process: Process = Process.WORKFLOW_WORKER
    account_api_url: str
    ledger_api_url: str
    internal_timeout_seconds: float = 5.0
    """For one call of the reconciler's search to account-api or ledger-api: nobody waits for the answer."""
    worker_build_id: str | None = Field(default=None, min_length=1)
    """Of Temporal's worker versioning, deployment `workflow-worker`: such a worker gets tasks once its build is made
    the current version. None: no versioning."""
    max_cached_workflows: int = 2000
    """Histories kept in memory; what falls out is replayed."""
