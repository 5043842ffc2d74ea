"""One transfer's rows as two looks saw them: what may have become of them, by rules 2, 4, 6, 10 and 14 alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from money_books import APPLIED, CANCELLED, COMPENSATED, REJECTED
from money_rules import UNDONE, entries_as_asked, status_by_rows

_DECIDED_AGAINST: Final = (CANCELLED, REJECTED)


@dataclass(frozen=True, slots=True)
class AccountRows:
    """A transfer in the accounts database; an empty decision or status is none yet."""

    transfer_id: str
    request: tuple[str, ...]
    """Fingerprint, reference, source, destination, amount in minor units, currency."""
    status: str
    decisions: tuple[tuple[str, str], ...]
    """(step, decision), one for each row that is there."""

    def of(self, step: str) -> str:
        return next((decision for name, decision in self.decisions if name == step), "")

    @property
    def in_transit_minor(self) -> int:
        return ((self.of("withdraw") == APPLIED) - (self.of("deposit") == APPLIED)) * int(self.request[4])


@dataclass(frozen=True, slots=True)
class LedgerRows:
    transfer_id: str
    fingerprint: str
    decision: str
    entries: tuple[tuple[str, int, str], ...]
    """(account, amount in minor units, currency)."""


NOT_RECORDED: Final = LedgerRows("", "", "", ())


def wrong_in_accounts(before: AccountRows | None, now: AccountRows) -> Iterator[tuple[str, str]]:
    """(check, detail) for everything that must not be in these rows, or not after those."""
    steps = [step for step, _ in now.decisions]
    if len(steps) != len(set(steps)):
        yield "one decision a step", f"more than one row of a step: {now}"
    if now.status != final_status(now):
        yield "the status follows from the rows", f"by rule 10 it is {final_status(now) or 'not final'}: {now}"
    if now.of("release") == APPLIED and (now.of("withdraw"), now.of("deposit")) != (APPLIED, APPLIED):
        yield "never both deposited and refunded", f"released: {now}"
    if before is None:
        return
    if before.request != now.request:
        yield "a stored request never changes", f"{before} became {now}"
    if before.status not in ("", now.status):
        yield "a final status never changes", f"{before} became {now}"
    for step in {*dict(before.decisions), *dict(now.decisions)}:
        if not _may_become(step, before.of(step), now.of(step)):
            yield "rows change by rule 2 only", f"{step}: {before} became {now}"


def wrong_in_ledger(before: LedgerRows | None, now: LedgerRows) -> Iterator[tuple[str, str]]:
    if before is not None and before.decision and before != now:
        yield "the ledger's decision is written once", f"{before} became {now}"
    if bool(now.entries) != (now.decision == APPLIED):
        yield "entries stand for an applied record", str(now)


def wrong_between(earlier: LedgerRows, accounts: AccountRows, later: LedgerRows) -> Iterator[tuple[str, str]]:
    """The ledger before the accounts, and the ledger after them: what each must have decided by then."""
    withdraw, deposit = accounts.of("withdraw"), accounts.of("deposit")
    if earlier.decision == APPLIED and (withdraw, deposit) != (APPLIED, APPLIED):
        yield "nobody undoes a recorded transfer", f"{earlier}, then {accounts}"
    if accounts.of("release") == APPLIED and later.decision != APPLIED:
        yield "released only after it was recorded", f"{accounts}, then {later}"
    shut = later.decision in _DECIDED_AGAINST
    never_recorded = not later.decision and deposit in _DECIDED_AGAINST
    if (withdraw in UNDONE and not (shut or never_recorded)) or (deposit == COMPENSATED and not shut):
        yield "nothing is undone before the door is shut", f"{accounts}, then {later}"
    if accounts.status == REJECTED and later.decision not in ("", CANCELLED):
        yield "the ledger fits the final status", f"{accounts}, then {later}"
    if later.entries and sorted(later.entries) != _entries_of(accounts):
        yield "two entries, as it was asked for", f"{accounts}, then {later}"
    if later.fingerprint and later.fingerprint != accounts.request[0]:
        yield "both databases hold the same request", f"{accounts}, then {later}"


def final_status(rows: AccountRows) -> str:
    """Empty while it isn't final."""
    return status_by_rows(rows.of("withdraw"), rows.of("deposit"), rows.of("release")) or ""


def _may_become(step: str, before: str, now: str) -> bool:
    if before in ("", now):
        return True
    return step in ("withdraw", "deposit") and (before, now) == (APPLIED, COMPENSATED)


def _entries_of(rows: AccountRows) -> list[tuple[str, int, str]]:
    _, _, source, destination, amount, currency = rows.request
    return entries_as_asked(source, destination, int(amount), currency)
