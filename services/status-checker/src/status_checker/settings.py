"""Settings of status-checker, from the environment."""

from pydantic import Field
from service_runtime.settings import ServiceSettings


class StatusCheckerSettings(ServiceSettings):
    """Rows and Temporal are asked side by side, so 503 comes within about 2 s, before gateway gives up."""

    account_api_url: str
    ledger_api_url: str
    internal_timeout_seconds: float = 2.0
    """For one call to account-api or ledger-api."""

    temporal_timeout_seconds: float = 1.5
    attention_grace_seconds: float = Field(default=10, ge=0)
    """A younger transfer isn't looked for by who looks for what needs attention: it is most likely on its way."""

    compensating_long_seconds: float = Field(default=300, gt=0)
    """Being undone for longer than this needs attention."""

    books_compared_every_seconds: float = Field(default=60, ge=1)
    """Accounts against ledger, whether or not somebody looks; where it takes long, less often."""
