"""Rule 3: a transfer's id is a pure function of its idempotency key and the key's owner."""

from typing import Final
from uuid import NAMESPACE_URL, uuid5

PUBLIC_OWNER: Final = "public"
"""The owner of every key until there are identities."""

_TRANSFERS: Final = uuid5(NAMESPACE_URL, "urn:transfer-saga:transfer")
_BATCHES: Final = uuid5(NAMESPACE_URL, "urn:transfer-saga:batch")
_OPENINGS: Final = uuid5(NAMESPACE_URL, "urn:transfer-saga:opening")

TREASURY_PREFIX: Final = "treasury-"


def transfer_id_from_key(idempotency_key: str, *, owner: str = PUBLIC_OWNER) -> str:
    return str(uuid5(uuid5(_TRANSFERS, owner), idempotency_key))


def batch_id_from_key(idempotency_key: str, *, owner: str = PUBLIC_OWNER) -> str:
    return str(uuid5(uuid5(_BATCHES, owner), idempotency_key))


def opening_transfer_id(account_id: str) -> str:
    """The id of the transfer that gives an account its opening balance, out of the treasury."""
    return str(uuid5(_OPENINGS, account_id))


def treasury_of(currency: str) -> str:
    """The currency's treasury, the only kind of account that may go below zero."""
    return f"{TREASURY_PREFIX}{currency.lower()}"


def is_treasury(account_id: str) -> bool:
    return account_id.startswith(TREASURY_PREFIX)
