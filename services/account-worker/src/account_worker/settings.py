"""What the three programs read from the environment."""

from pydantic import Field
from service_runtime.settings import ServiceSettings, WorkerSettings
from transfer_contract.names import Process


class MigrateSettings(ServiceSettings):
    database_url: str = Field(repr=False)
    """The accounts database, `postgresql+psycopg://user:password@host:port/name`. It carries a password: no repr."""


class AccountWorkerSettings(WorkerSettings):
    process: Process = Process.ACCOUNT_WORKER
    database_url: str = Field(repr=False)


class ApiSettings(ServiceSettings):
    database_url: str = Field(repr=False)
    database_pool_size: int = 20
    """Above it a request waits two seconds for a connection, and then answers 503."""
    demo_faults: bool = False
