"""Settings of the two processes, from the environment."""

from service_runtime.settings import HttpSettings, WorkerSettings
from transfer_contract.names import Process


class ApiSettings(HttpSettings):
    account_api_url: str
    ledger_api_url: str
    internal_timeout_seconds: float = 1.0
    """For one call to account-api or ledger-api; with Temporal's, a start answers 503 in less than 3 s."""

    temporal_timeout_seconds: float = 1.5


class WorkflowWorkerSettings(WorkerSettings):
    process: Process = Process.WORKFLOW_WORKER
    max_cached_workflows: int = 2000
    """Histories kept in memory; what falls out is replayed."""
