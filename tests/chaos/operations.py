"""What the clients of a chaos run ask for: from a seed, each client's operations are the same ones in every run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from random import Random
from typing import Any, Final

Body = dict[str, Any]

CLIENTS: Final = 50
HOT_ACCOUNTS: Final = 8
COLD_ACCOUNTS: Final = 1_000
OPENING_BALANCE: Final = "1000000"
"""In whole units, far more than all transfers of an hour move: a valid one can always be paid."""
_LITTLE: Final = "30"
_LARGEST_OF_LITTLE: Final = 25
"""Two payments that come at once are often too much together."""
POOR_ACCOUNTS: Final = 4
_TOO_MUCH: Final = "900000000"
_LARGEST_PAYMENT: Final = 20
_HOT_SHARE: Final = 0.8
"""Of both ends of all transfers."""
_REMEMBERED: Final = 20
"""So many operations back is the earliest that a client repeats or reads again."""

_POOR: Final = "poor"
_CLOSING: Final = "closing"


class Kind(StrEnum):
    VALID = "valid"
    INSUFFICIENT = "insufficient"
    REFUSED = "refused by the ledger"
    REPEATED = "repeated key"
    OTHER_BODY = "repeated key, other body"
    READ = "read"
    CANCELLED = "cancel"
    BATCH = "batch"
    CONTENDED = "from little money"
    """Between poor accounts: what is there is enough, or isn't, by who comes first."""
    CLOSED = "to an account that is closed"
    """Closed while its first money is on the way."""
    OPENING = "opening"
    """Of an account: not asked for by itself."""


MIX: Final = {
    Kind.VALID: 54,
    Kind.CONTENDED: 8,
    Kind.CLOSED: 2,
    Kind.INSUFFICIENT: 5,
    Kind.REFUSED: 10,
    Kind.REPEATED: 7,
    Kind.OTHER_BODY: 3,
    Kind.READ: 5,
    Kind.CANCELLED: 5,
    Kind.BATCH: 1,
}
"""In percent. Contended ones are paid or not by who comes first. With the batches there are twice as many transfers."""

_MIX_IN_BATCHES: Final = {Kind.VALID: 80, Kind.INSUFFICIENT: 10, Kind.REFUSED: 10}
SMALLEST_BATCH: Final = 20
LARGEST_BATCH: Final = 200
_COLD_IN_A_BATCH: Final = 3
"""Accounts: each is opened first, through all faults."""


@dataclass(frozen=True)
class Accounts:
    """Of one currency, which has as many minor digits as a payment's amount is written with."""

    currency: str
    hot: tuple[str, ...]
    cold: tuple[str, ...]
    poor: tuple[str, ...]
    minor_digits: int


CURRENCIES: Final = tuple(
    Accounts(
        currency=currency,
        hot=tuple(f"hot-{currency.lower()}-{number}" for number in range(HOT_ACCOUNTS // 2)),
        cold=tuple(f"cold-{currency.lower()}-{number:03}" for number in range(COLD_ACCOUNTS // 2)),
        poor=tuple(f"{_POOR}-{currency.lower()}-{number}" for number in range(POOR_ACCOUNTS // 2)),
        minor_digits=minor_digits,
    )
    for currency, minor_digits in (("EUR", 2), ("JPY", 0))
)


@dataclass(frozen=True)
class Operation:
    """`key` and `body` of a POST; a read, or a POST with a key again, is about what was asked for with `key` before.

    The reference is the key: a second transfer with it is a second transfer of the key.
    """

    client: int
    number: int
    kind: Kind
    key: str
    body: Body

    @property
    def items(self) -> list[Body]:
        """The transfers that it asks for."""
        return self.body["transfers"] if self.kind is Kind.BATCH else [self.body]

    @property
    def is_new_transfer(self) -> bool:
        return self.kind not in (Kind.REPEATED, Kind.OTHER_BODY, Kind.READ)


def operations(seed: int, client: int) -> Iterator[Operation]:
    """Without an end; which come follows from the seed and the client alone, never from an answer."""
    random = Random(f"{seed}/{client}")  # noqa: S311 - to be repeated, not to be secret
    earlier: list[Operation] = []
    for number in count():
        kind = random.choices(list(MIX), weights=list(MIX.values()))[0] if earlier else Kind.VALID
        key = f"chaos-{seed}-{client}-{number}"
        body = _batch(random, key) if kind is Kind.BATCH else _body(random, kind) | {"reference": key}
        if kind is Kind.CLOSED:
            body["destination_account"] = f"{_CLOSING}-{client}-{number}"
        operation = Operation(client, number, kind, key, body)
        if not operation.is_new_transfer:
            operation = _again(operation, random.choice(earlier))
        elif kind is not Kind.BATCH:  # which is repeated at once, see `BatchLoad`
            earlier = [*earlier[1 - _REMEMBERED :], operation]
        yield operation


def item_key(key: str, position: int) -> str:
    """Of one transfer of a batch, which has no key of its own: its reference."""
    return f"{key}/{position}"


def kind_of_item(item: Body) -> Kind:
    """What becomes of it if no fault hits it."""
    if item["amount"] == _TOO_MUCH:
        return Kind.INSUFFICIENT
    return Kind.REFUSED if "scenario" in item else Kind.VALID


def _batch(random: Random, key: str) -> Body:
    """On the same hot accounts as single transfers, and a few cold ones."""
    accounts = random.choice(CURRENCIES)
    accounts = replace(accounts, cold=tuple(random.sample(accounts.cold, _COLD_IN_A_BATCH)))
    kinds = random.choices(
        list(_MIX_IN_BATCHES), weights=list(_MIX_IN_BATCHES.values()), k=random.randint(SMALLEST_BATCH, LARGEST_BATCH)
    )
    references = ({"reference": item_key(key, position)} for position in range(1, len(kinds) + 1))
    return {"transfers": [_body(random, kind, accounts) | each for kind, each in zip(kinds, references, strict=True)]}


def _body(random: Random, kind: Kind, accounts: Accounts | None = None) -> Body:
    accounts = accounts or random.choice(CURRENCIES)
    if kind is Kind.CONTENDED:
        source, destination = random.sample(accounts.poor, 2)
    else:
        source = destination = _one_of(random, accounts)
        while destination == source:
            destination = _one_of(random, accounts)
    body = {
        "source_account": source,
        "destination_account": destination,
        "amount": _amount(random, kind, accounts.minor_digits),
        "currency": accounts.currency,
    }
    return body | ({"scenario": "ledger_rejects"} if kind is Kind.REFUSED else {})


def _one_of(random: Random, accounts: Accounts) -> str:
    return random.choice(accounts.hot if random.random() < _HOT_SHARE else accounts.cold)


def _amount(random: Random, kind: Kind, minor_digits: int) -> str:
    if kind is Kind.INSUFFICIENT:
        return _TOO_MUCH
    largest = _LARGEST_OF_LITTLE if kind is Kind.CONTENDED else _LARGEST_PAYMENT
    minor = f"{random.randrange(1, largest * 10**minor_digits):0{minor_digits + 1}}"
    return f"{minor[:-minor_digits]}.{minor[-minor_digits:]}" if minor_digits else minor


def opening_balance(account_id: str) -> str | None:
    """None for an account that begins empty."""
    if account_id.startswith(_CLOSING):
        return None
    return _LITTLE if account_id.startswith(_POOR) else OPENING_BALANCE


def _again(operation: Operation, earlier: Operation) -> Operation:
    other = {"reference": f"{earlier.key}, another request"} if operation.kind is Kind.OTHER_BODY else {}
    return replace(operation, key=earlier.key, body=earlier.body | other)
