"""The cases that are explored, and for each rule the case in which its loss must show."""

from typing import Final

from model.protocol import Account, Body, Bounds, Order, Plan
from model.rules import Rule

FIRST, OTHER = Body
_BOTH_BODIES: Final = (FIRST, OTHER)
_ENOUGH, _EMPTY = Account(2), Account(0)
_ORDERS: Final = {FIRST: Order(source=0, destination=1, amount=2), OTHER: Order(source=0, destination=1, amount=1)}


def _one(source: Account | None, destination: Account | None, bounds: Bounds) -> Plan:
    return Plan((source, destination), (_ORDERS,), bounds)


ONE_TRANSFER: Final = {
    "with funds, one key for two requests": _one(_ENOUGH, _EMPTY, Bounds(bodies=_BOTH_BODIES)),
    "without funds": _one(Account(1), _EMPTY, Bounds(bodies=_BOTH_BODIES)),
    "to an unknown account": _one(_ENOUGH, None, Bounds(bodies=_BOTH_BODIES)),
    "from an unknown account": _one(None, _EMPTY, Bounds(bodies=_BOTH_BODIES)),
    "whose run an operator deletes": _one(
        _ENOUGH, _EMPTY, Bounds(reconcilers=1, bodies=_BOTH_BODIES, closing=False, deletion=True)
    ),
}
"""Up to three runs, up to two reconcilers, every request arriving at any time from when it was sent, and again."""


def _two(orders: tuple[Order, Order], bounds: Bounds, calmer: Bounds | None = None) -> Plan:
    return Plan((_ENOUGH, _EMPTY, _EMPTY), tuple({FIRST: order} for order in orders), bounds, calmer)


_ORDER_PAIRS: Final = {
    "the second one spends what the first one brings": (Order(0, 1, 2), Order(1, 2, 2)),
    "there are funds for one of the two": (Order(0, 1, 2), Order(0, 2, 2)),
    "each goes back where the other comes from": (Order(0, 1, 2), Order(1, 0, 1)),
}
_SMALL: Final = Bounds(runs=1, reconcilers=1, closing=False, resets=False, stuck=False)
SPENDING_ON: Final = _two(_ORDER_PAIRS["the second one spends what the first one brings"], _SMALL)
_LARGE: Final = {
    "accounts close": Bounds(runs=1, reconcilers=1, resets=False, stuck=False),
    "two runs each": Bounds(runs=2, reconcilers=1, closing=False, resets=False, stuck=False),
}
# Of one of the two only: where both may be reset, 2.0 million states were explored after 90 s of CPU time, 3.3 million
# were known by then (1 GB), and the end was not in sight.
_RESET: Final = Bounds(runs=2, reconcilers=1, closing=False, stuck=False)
TWO_TRANSFERS: Final = {
    f"{name}, {what}": _two(orders, bounds) for name, orders in _ORDER_PAIRS.items() for what, bounds in _LARGE.items()
} | {f"{name}, the first one may be reset": _two(orders, _RESET, _SMALL) for name, orders in _ORDER_PAIRS.items()}

_SMALLER: Final = Bounds(runs=2, reconcilers=1, bodies=_BOTH_BODIES)
_DEFAULT: Final = _one(_ENOUGH, _EMPTY, _SMALLER)
_NO_FUNDS: Final = _one(Account(1), _EMPTY, _SMALLER)
_UNKNOWN: Final = _one(None, _EMPTY, _SMALLER)
_DELETED: Final = _one(_ENOUGH, _EMPTY, _SMALLER._replace(deletion=True))
SMALL_CASES: Final = {"funds": _DEFAULT, "no funds": _NO_FUNDS, "unknown source": _UNKNOWN, "deleted run": _DELETED}
"""Explored within seconds."""

LOST_RULES: Final[dict[Rule, tuple[Plan, str]]] = {
    Rule.HELD: (SPENDING_ON, "account 1 is below zero"),
    Rule.LOCKED: (_DEFAULT, "account 0 has -2 and 0, by the rows 0 and 0"),
    Rule.ONE_TRANSACTION: (_DEFAULT, "account 0 has 2 and 0, by the rows 0 and 0"),
    Rule.DURABLE: (_DEFAULT, "a run closes as compensated where the rows are not final"),
    Rule.FIRST_WRITER_WINS: (_DEFAULT, "account 0 has 0 and 0, by the rows 2 and 0"),
    Rule.TOMBSTONE: (_DEFAULT, "a run closes as compensated where the rows are not final"),
    Rule.STORABLE: (_UNKNOWN, "no end can be reached from here without a client"),
    Rule.ID_FROM_THE_KEY: (_DEFAULT, "account 0 has 0 and 0, by the rows 2 and 0"),
    Rule.FINGERPRINT: (_DEFAULT, "the ledger has entered another request than the accounts have"),
    Rule.STORED_REQUEST: (_DELETED, "account 0 has 3 and 0, by the rows 2 and 0"),
    Rule.RETENTION: (_DEFAULT, "an accepted transfer is known nowhere any more"),
    Rule.COMMIT_POINT: (_DEFAULT, "the transfer is completed, its record compensated"),
    Rule.WHOLE_ABORT: (_DEFAULT, "the transfer is compensated, its record None"),
    Rule.BARRIER: (_DEFAULT, "the transfer is compensated, its record None"),
    Rule.DEPOSIT_GUARD: (_DEFAULT, "a transfer was compensated and is not final"),
    Rule.SHIELDED: (_DEFAULT, "a run closes as compensated where the rows are not final"),
    Rule.UNLIMITED: (_DEFAULT, "a run closes as compensated where the rows are not final"),
    Rule.STATUS_FROM_ROWS: (_NO_FUNDS, "a run closes as compensated where the rows are rejected"),
    Rule.ROWS_FIRST_GET: (_DEFAULT, "GET says nothing final of a transfer that is compensated"),
    Rule.ROWS_FIRST_POST: (_DEFAULT, "a run closes as completed with another request's rows"),
    Rule.CLOSED_EMPTY: (_DEFAULT, "account 0 is closed with money on it"),
    Rule.CLOSED_AT_REST: (_DEFAULT, "account 0 is closed with money on it"),
    Rule.RECONCILER: (_DEFAULT, "no end can be reached from here without a client"),
    Rule.RECONCILER_DOOR: (_DEFAULT, "the transfer is compensated, its record None"),
    Rule.RECONCILER_LOOKS_AT_TEMPORAL: (_DEFAULT, "no end can be reached from here without a client"),
}
