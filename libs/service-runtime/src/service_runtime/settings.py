"""Settings that every process reads from the environment; each service adds its own by subclassing."""

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict
from transfer_contract.names import Process


class ServiceSettings(BaseSettings):
    """Temporal's address, namespace, TLS and API key come from the SDK's own envconfig variables, not from here."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = 8080
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class WorkerSettings(ServiceSettings):
    """A Temporal worker. The grace must be longer than the longest step that a clean stop should let finish."""

    process: Process
    demo_faults: bool = False
    """Whether it plays the faults that a scenario asks for, and crashes on request."""
    shutdown_grace_seconds: float = 15.0
    max_concurrent_activities: int = 20
    """Also the size of the thread pool and of the database pool: an activity never waits for either."""
