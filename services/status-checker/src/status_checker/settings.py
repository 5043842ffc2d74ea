"""Settings of status-checker, from the environment."""

from service_runtime.settings import ServiceSettings


class StatusCheckerSettings(ServiceSettings):
    """Rows and Temporal are asked side by side, so 503 comes within about 2 s, before gateway gives up."""

    account_api_url: str
    ledger_api_url: str
    internal_timeout_seconds: float = 2.0
    """For one call to account-api or ledger-api."""

    temporal_timeout_seconds: float = 1.5
