"""What follows from a transfer's rows by the rules alone: one oracle, without the product, for all that judge rows."""

from typing import Final

from money_books import APPLIED, CANCELLED, COMPENSATED, REJECTED

UNDONE: Final = (CANCELLED, COMPENSATED)


def status_by_rows(withdraw: str | None, deposit: str | None, release: str | None) -> str | None:
    """Rule 10; None while it isn't final."""
    if release == APPLIED:
        return "completed"
    if withdraw == REJECTED:
        return "rejected"
    return "compensated" if withdraw in UNDONE and deposit != APPLIED else None


def entries_as_asked(source: str, destination: str, amount_minor: int, currency: str) -> list[tuple[str, int, str]]:
    """(account, amount, currency), sorted: what the ledger has of a transfer that it has recorded."""
    return sorted([(source, -amount_minor, currency), (destination, amount_minor, currency)])
