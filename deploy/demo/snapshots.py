"""The money at one moment, and what has moved between two: exact amounts, as the API writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from demo_errors import Json
from gateway_reads import GatewayReads

CURRENCY = "EUR"
NOTHING = "0.00"


@dataclass(frozen=True)
class Snapshot:
    """`balances` and `held` by account; `in_transit` and `sum` are of all accounts together."""

    balances: dict[str, str]
    held: dict[str, str]
    in_transit: str
    sum: str


def take_snapshot(gateway: GatewayReads, accounts: Sequence[str]) -> Snapshot:
    seen = [gateway.get(f"/accounts/{account}") for account in accounts]
    totals = totals_of(gateway.get("/reconciliation"))
    return Snapshot(
        balances={account["id"]: account["balance"] for account in seen},
        held={account["id"]: account["held"] for account in seen},
        in_transit=totals["in_transit"],
        sum=totals["sum"],
    )


def totals_of(reconciliation: Json) -> Json:
    nothing = dict.fromkeys(("balances", "held", "in_transit", "sum"), NOTHING)
    return next((totals for totals in reconciliation["currencies"] if totals["currency"] == CURRENCY), nothing)


def difference(before: str, after: str) -> str:
    """Signed where it isn't zero: `-10.00`, `+10.00`, `0.00`."""
    moved = Decimal(after) - Decimal(before)
    return f"{moved:+}" if moved else NOTHING


def is_enough(balance: str, amount: str) -> bool:
    return Decimal(balance) >= Decimal(amount)


def table_rows(snapshots: dict[str, Snapshot]) -> list[tuple[str, list[str]]]:
    """A title and an amount for each snapshot; held and in transit only where there ever was any."""
    taken = list(snapshots.values())
    accounts = list(taken[0].balances)
    always = [(account, [one.balances[account] for one in taken]) for account in accounts]
    sometimes = [
        *((f"{account}, held", [one.held[account] for one in taken]) for account in accounts),
        ("in transit", [one.in_transit for one in taken]),
    ]
    told = [row for row in sometimes if set(row[1]) != {NOTHING}]
    return [*always, *told, ("all, with treasury", [one.sum for one in taken])]
