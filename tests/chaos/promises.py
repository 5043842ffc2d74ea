"""What the API has promised to the clients: every transfer that it has acknowledged, and every end that it has told."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from chaos.operations import Body, Kind, Operation
from chaos.violations import Violations

Json = dict[str, Any]

FINAL: Final = frozenset({"completed", "rejected", "compensated"})

_ASKED_FOR: Final = ("source_account", "destination_account", "currency", "reference")


@dataclass(slots=True)
class Promise:
    """An acknowledged transfer, as it was asked for. Times are seconds since the run began."""

    transfer_id: str
    key: str
    kind: Kind
    body: Body
    asked_at: float
    status: str = ""
    told: str = ""
    """A digest of the final transfer as it was first told; empty until then."""
    ended_at: float | None = None


class Promises:
    """Also judges what the API tells: a final transfer never changes, and a key stands for one transfer."""

    def __init__(self, violations: Violations, on_completed: Callable[[float, float], None]) -> None:
        self._violations = violations
        self._on_completed = on_completed
        self._by_key: dict[str, Promise] = {}
        self._by_id: dict[str, Promise] = {}
        self._open: dict[str, Promise] = {}

    @property
    def all(self) -> list[Promise]:
        return list(self._by_id.values())

    @property
    def statuses(self) -> Counter[str]:
        """Of the clients' transfers: the final status that was told, or `open`."""
        return Counter(promise.status or "open" for promise in self._by_id.values() if promise.kind is not Kind.OPENING)

    @property
    def open(self) -> list[Promise]:
        """Those of which no end is known yet."""
        return list(self._open.values())

    def knows(self, key: str) -> bool:
        return key in self._by_key

    def of_key(self, key: str) -> Promise:
        """Raises KeyError where nothing with this key was acknowledged."""
        return self._by_key[key]

    def of_transfer(self, transfer_id: str) -> Promise | None:
        """None where it was never acknowledged."""
        return self._by_id.get(transfer_id)

    def acknowledged(self, operation: Operation, transfer_id: str, asked_at: float) -> Promise:
        key = operation.key
        known = self._by_key.get(key)
        if known is None:
            known = Promise(transfer_id, key, operation.kind, operation.body, asked_at)
            self._by_key[key] = self._by_id[transfer_id] = self._open[transfer_id] = known
        elif known.transfer_id != transfer_id:
            self._violations.add(
                "a key is one transfer", f"{key}: {known.transfer_id}, then {transfer_id}", known.transfer_id
            )
        return known

    def judge_request(self, promise: Promise, transfer: Json) -> None:
        """Accounts, amount, currency and reference are those that the client has sent."""
        sent = {name: promise.body.get(name) for name in _ASKED_FOR} | {"amount": Decimal(promise.body["amount"])}
        told = {name: transfer.get(name) for name in _ASKED_FOR} | {"amount": Decimal(transfer["amount"])}
        if promise.kind is Kind.OPENING:  # the product's own words
            del sent["reference"], told["reference"]
        if sent != told:
            detail = f"{promise.key}: sent {sent}, told {told}"
            self._violations.add("a transfer is told as it was asked for", detail, promise.transfer_id)

    def told(self, transfer: Json, at: float, *, asked_at: float) -> None:
        """A transfer as the API has answered it; what was asked before its end was known may have been read before."""
        promise = self._by_id.get(transfer["id"])
        if promise is None:
            return
        if transfer["status"] in FINAL:
            self._told_final(promise, transfer, at)
        elif promise.ended_at is not None and asked_at > promise.ended_at:
            self._violations.add(
                "a final transfer never changes",
                f"{promise.transfer_id} was {promise.status} and is told to be {transfer['status']}",
                promise.transfer_id,
            )

    def ended(self, promise: Promise, status: str, at: float) -> None:
        """By its rows, or as the API told it; the other one is to tell the same."""
        if self._open.pop(promise.transfer_id, None) is not None:
            promise.ended_at, promise.status = at, status

    def _told_final(self, promise: Promise, transfer: Json, at: float) -> None:
        if promise.status and promise.status != transfer["status"]:
            detail = f"{promise.transfer_id} was {promise.status} and is told to be {transfer['status']}"
            self._violations.add("a final status never changes", detail, promise.transfer_id)
        digest = hashlib.sha256(json.dumps(transfer, sort_keys=True).encode()).hexdigest()[:32]
        if promise.told and promise.told != digest:
            detail = f"{promise.transfer_id} is told differently since: {json.dumps(transfer)}"
            self._violations.add("a final transfer never changes", detail, promise.transfer_id)
        self.ended(promise, transfer["status"], at)
        if not promise.told and transfer["status"] == "completed":
            self._on_completed(promise.asked_at, at)
        promise.told = digest
