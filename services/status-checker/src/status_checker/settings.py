"""Settings of status-checker, from the environment."""

from service_runtime.settings import HttpSettings


class StatusCheckerSettings(HttpSettings):
    account_api_url: str
    ledger_api_url: str
    internal_timeout_seconds: float = 2.0
    """For one call to account-api or ledger-api. It runs beside Temporal's, so that 503 comes within about 2 s."""
