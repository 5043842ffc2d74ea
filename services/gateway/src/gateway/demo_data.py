"""One-shot program `demo-data`: opens the demo accounts through the public API. Running it again changes nothing."""

import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx
from pydantic_settings import BaseSettings

POLL_SECONDS: Final = 0.5
_FINAL: Final = frozenset({"completed", "rejected", "compensated"})


class DemoDataSettings(BaseSettings):
    gateway_url: str = "http://127.0.0.1:8080"
    deadline_seconds: float = 120
    """For everything together; the gateway may still be starting."""


class DemoDataError(Exception):
    """Ends the program with this one line."""


@dataclass(frozen=True)
class DemoAccount:
    id: str
    owner: str
    opening_balance: str
    currency: str = "EUR"


DEMO_ACCOUNTS: Final = (
    DemoAccount("alice", "Alice", "1000.00"),
    DemoAccount("bob", "Bob", "500.00"),
    DemoAccount("carol", "Carol", "0.00"),
)


def main() -> None:
    settings = DemoDataSettings()
    try:
        with httpx.Client(base_url=settings.gateway_url, timeout=5) as http:
            DemoData(http, time.monotonic() + settings.deadline_seconds).open_accounts()
    except DemoDataError as error:
        sys.exit(f"demo-data: {error}")


class DemoData:
    def __init__(self, http: httpx.Client, deadline: float) -> None:
        self._http = http
        self._deadline = deadline

    def open_accounts(self) -> None:
        self._answer("GET", "/readyz")
        opened = [(account, self._open(account)) for account in DEMO_ACCOUNTS]
        for account, opening_transfer in opened:
            if opening_transfer is not None:
                self._wait_until_completed(account, opening_transfer)
            sys.stdout.write(f"{account.id}: opened with {account.opening_balance} {account.currency}\n")

    def _open(self, account: DemoAccount) -> str | None:
        created = self._answer("POST", "/accounts", vars(account))
        opening_transfer: str | None = created.get("opening_transfer")
        return opening_transfer

    def _wait_until_completed(self, account: DemoAccount, transfer_id: str) -> None:
        while (transfer := self._answer("GET", f"/transfers/{transfer_id}"))["status"] not in _FINAL:
            self._pause(f"the opening balance of {account.id} is still {transfer['status']}")
        if transfer["status"] != "completed":
            raise DemoDataError(f"the opening balance of {account.id} was {transfer['status']}")

    def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Repeats the call while the gateway is away or not ready: every call is idempotent."""
        while True:
            try:
                response = self._http.request(method, path, json=body)
                if response.is_success:
                    answer: dict[str, Any] = response.json()
                    return answer
                problem = f"{method} {path} answers {response.status_code}: {response.text}"
                if response.status_code < 500:
                    raise DemoDataError(problem)
            except (httpx.HTTPError, ValueError) as error:
                problem = f"{method} {path} gets no answer from the gateway at {self._http.base_url}: {error}"
            self._pause(problem)

    def _pause(self, problem: str) -> None:
        if time.monotonic() + POLL_SECONDS > self._deadline:
            raise DemoDataError(f"gave up waiting: {problem}")
        time.sleep(POLL_SECONDS)
