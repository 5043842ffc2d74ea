"""What the three programs read from the environment."""

from pydantic import Field
from service_runtime.settings import ServiceSettings, WorkerSettings
from transfer_contract.names import Process


class MigrateSettings(ServiceSettings):
    database_url: str = Field(repr=False)
    """The ledger database, `postgresql+psycopg://user:password@host:port/name`. It carries a password: no repr."""


class LedgerWorkerSettings(WorkerSettings):
    process: Process = Process.LEDGER_WORKER
    database_url: str = Field(repr=False)
    account_api_url: str
    """Where the transfers of a batch are read: a step's input only names them."""
    internal_timeout_seconds: float = 5.0


class ApiSettings(ServiceSettings):
    database_url: str = Field(repr=False)
    database_pool_size: int = 20
    """Above it a request waits two seconds for a connection, and then answers 503."""
