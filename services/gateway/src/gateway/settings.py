"""What the gateway reads from the environment."""

from service_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    workflow_handler_url: str
    status_checker_url: str
    account_api_url: str
    ledger_api_url: str
    workflow_worker_url: str | None = None
    account_worker_url: str | None = None
    ledger_worker_url: str | None = None
    """The workers' own HTTP, where a demo may let them crash."""

    demo_faults: bool = False
    """Whether a transfer may ask for a `scenario`, and a worker be made to crash."""

    temporal_ui_url: str | None = None
    temporal_namespace: str = "default"
    kill_command: str | None = None
    start_command: str | None = None
    """What the page links to and shows. Commands have `{process}` where a process's name belongs."""

    call_timeout_seconds: float = 2.6
    """One call to another service: longer than that one waits for Temporal or a database before it answers 503."""
    answer_timeout_seconds: float = 2.8
    """All calls of one request together, so that a client hears 503 within 3 s. A wait that it asked for is added."""
    reconciliation_seconds: float = 30.0
    """How much longer reconciliation may take: it reads both databases whole."""
