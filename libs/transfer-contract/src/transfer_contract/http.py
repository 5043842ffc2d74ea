"""Payloads of the internal HTTP APIs (account-api, ledger-api, workflow-handler, status-checker)."""

import re
from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from transfer_contract.attention import Attention
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import FinalStatus, Payload, StepRow
from transfer_contract.transfers import TransferRequest, TransferView

Item = TypeVar("Item")


BUCKETS: Final = 4096
"""Parts in which books are proved and compared: what is wrong with one transfer has its part looked at."""


class ProblemCode(StrEnum):
    """The stable `code` of every `application/problem+json` answer."""

    INVALID_REQUEST = "invalid_request"
    INVALID_JSON = "invalid_json"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    TREASURY_NOT_ALLOWED = "treasury_not_allowed"
    SCENARIO_NOT_ALLOWED = "scenario_not_allowed"
    NOT_CANCELLABLE = "not_cancellable"
    NOT_PARKED = "not_parked"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_NOT_EMPTY = "account_not_empty"
    UNAVAILABLE = "unavailable"


class FieldError(BaseModel):
    field: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457. `code` is stable; `errors` names the fields of an invalid request."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    errors: list[FieldError] | None = None

    def as_body(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class Page(Payload, Generic[Item]):
    """One page of a list; `next_cursor` is None on the last one."""

    items: list[Item]
    next_cursor: str | None = None


_CURSOR: Final = re.compile(r"(?P<created_at>[2-8][0-9]{3}-[^~+]{1,24}\+00:00)~(?P<transfer_id>[a-z0-9-]{0,64})")
"""The years leave room to calculate with; an id holds nothing that a database refuses."""


class TransferCursor(Payload):
    """Where a list of transfers, newest first by (`created_at`, `transfer_id`), goes on: after this one.

    `transfer_id` is empty where everything of that moment is still to come.
    """

    created_at: datetime
    transfer_id: str

    def encode(self) -> str:
        text = f"{self.created_at.astimezone(UTC).isoformat()}~{self.transfer_id}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "TransferCursor":
        """Raises ValueError where the text isn't one that `encode` made."""
        padded = text + "=" * (-len(text) % 4)
        parts = _CURSOR.fullmatch(b64decode(padded.encode(), altchars=b"-_", validate=True).decode())
        if parts is None:
            raise ValueError("not a cursor")
        cursor = cls(created_at=datetime.fromisoformat(parts["created_at"]), transfer_id=parts["transfer_id"])
        if cursor.encode() != text:
            raise ValueError("not a cursor")
        return cursor


# account-api


class NewAccount(Payload):
    """`opening_balance_minor` is in minor units of `currency`; it arrives by a transfer from the treasury."""

    id: str
    owner: str
    currency: str
    opening_balance_minor: int = Field(default=0, ge=0)


class Account(Payload):
    """Amounts in minor units of `currency`. `held_minor` is credited but not spendable yet."""

    id: str
    owner: str
    currency: str
    balance_minor: int
    held_minor: int
    opening_balance_minor: int
    status: Literal["open", "closed"]
    created_at: datetime


class TransferRows(Payload):
    """What a participant's database knows of a transfer: the request that its first row stored, and its rows.

    `final_status` and `finished_at` (the time of the row that made it final) only from the account-api (rule 10).
    """

    transfer: TransferRequest
    rows: list[StepRow]
    final_status: FinalStatus | None = None
    finished_at: datetime | None = None


class TransferIds(Payload):
    transfer_ids: list[str] = Field(max_length=10_000)


class Discrepancy(Payload):
    """Something that must not be: `kind` is stable, `detail` a sentence."""

    kind: str
    detail: str
    account: str | None = None
    transfer_id: str | None = None


class CurrencyTotals(Payload):
    """Minor units. The sum is zero: what the others have, the treasury has paid.

    `in_transit_minor`: what has been withdrawn and not been put back, less what has been deposited and not been taken
    away; in other words withdraw applied and deposit not applied, or (a parked deposit_compensation) the reverse.
    """

    currency: str
    balances_minor: int
    held_minor: int
    in_transit_minor: int
    sum_minor: int


class AccountsReconciliation(Payload):
    """One snapshot of the accounts database: totals, and what doesn't follow from the rows.

    `digests`: by bucket, the sum of a hash of each entry and each shut door that the final transfers should have in the
    ledger. A transfer's bucket is a hash of its id modulo `BUCKETS`.
    """

    currencies: list[CurrencyTotals]
    discrepancies: list[Discrepancy]
    digests: dict[int, int]


class FinalTransfersQuery(Payload):
    """Which of the final transfers: those in `buckets`."""

    buckets: list[int] = Field(max_length=BUCKETS)
    after: str = Field(default="", pattern=r"^[a-z0-9-]{0,64}$")
    limit: int = Field(default=50_000, ge=1, le=50_000)


class FinalTransfer(Payload):
    """A transfer that is final in the accounts database, as much of it as the ledger is judged by (rule 14)."""

    transfer_id: str
    status: FinalStatus
    deposit_shut: bool
    """The deposit row is `rejected` or `cancelled`: then the ledger may have no row at all."""
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str


class FinalTransfers(Payload):
    """A page. `transfers` is the JSON of a list of `FinalTransfer`: one database has written it, another reads it."""

    transfers: str
    last: str | None = None
    """After this one there may be more."""


# ledger-api


class LedgerReconciliation(Payload):
    """One snapshot of the ledger. `digests`: by bucket, the sum of a hash of each entry and of each shut door."""

    discrepancies: list[Discrepancy]
    digests: dict[int, int]


class AppliedTransfersQuery(Payload):
    """Which of the applied transfers: those in `buckets`."""

    buckets: list[int] = Field(max_length=BUCKETS)
    after: str = Field(default="", pattern=r"^[a-z0-9-]{0,64}$")
    limit: int = Field(default=10_000, ge=1, le=10_000)


class Entry(Payload):
    """A ledger entry of one account; `amount_minor` is signed, `balance_after_minor` the running balance."""

    transfer_id: str
    amount_minor: int
    balance_after_minor: int
    currency: str
    created_at: datetime


# workflow-handler


class TransferStarted(Payload):
    """The answer to a start. `replayed`: this key had started a transfer before; nothing is known of it here."""

    transfer_id: str
    replayed: bool
    created_at: datetime


# workers


class CrashStarted(Payload):
    """The last that is heard of a worker which was asked to crash."""

    process: Process


# status-checker


class LiveWorker(Payload):
    identity: str
    host: str
    pid: str
    started_at: datetime
    last_heartbeat_at: datetime


class WorkerGap(Payload):
    """A time in which no worker of a kind lived: from the last one's last heartbeat to the next one's start."""

    began_at: datetime
    ended_at: datetime


class WorkerGroup(Payload):
    """The workers of one process kind. `gone_since`: the last heartbeat of the last one, while none is live.

    `last_gap`: the latest time without one that is over, as far back as the Temporal server remembers workers.
    """

    process: Process
    queue: TaskQueue
    workers: list[LiveWorker]
    gone_since: datetime | None
    last_gap: WorkerGap | None = None
    backlog: int | None


class WorkersView(Payload):
    items: list[WorkerGroup]


class Interruption(Payload):
    """Why the overview isn't up to date; None once it is again."""

    detail: str | None


class Reconciliation(Payload):
    balanced: bool
    currencies: list[CurrencyTotals]
    discrepancies: list[Discrepancy]


class Overview(Payload):
    """What is new since the last one. `transfers` are the latest, and earlier ones that were shown and aren't final."""

    transfers: Page[TransferView] | None = None
    accounts: Page[Account] | None = None
    reconciliation: Reconciliation | None = None
    workers: WorkersView | None = None
    attention: Attention | None = None
    interruption: Interruption | None = None
