"""The money, judged from both databases by nothing but the rules: every kind of test may call this at its end.

It shares no code with the product, so that a rule that the product gets wrong isn't wrong here as well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from iso4217 import Currency
from money_books import APPLIED, CANCELLED, REJECTED, Books, Entry, Transfer, read_books
from money_rules import entries_as_asked, status_by_rows
from transfer_contract.identity import opening_transfer_id, treasury_of


def check_money(accounts_url: str, ledger_url: str) -> Books:
    """Holds at any moment, also while transfers run. Raises AssertionError, which names all that is wrong."""
    books = read_books(accounts_url, ledger_url)
    wrong = violations(books)
    assert not wrong, "\n".join(["the money is not right:", *wrong])
    return books


def check_everything_is_final(books: Books) -> None:
    unfinished = [transfer.transfer_id for transfer in books.transfers.values() if transfer.final_status is None]
    assert not unfinished, f"not final: {unfinished}"
    held = [account.id for account in books.accounts.values() if account.held_minor]
    assert not held, f"held credit, and nothing runs that could release it: {held}"


def check_reconciliation(answer: Mapping[str, Any], books: Books) -> None:
    """What `GET /reconciliation` answers, against these books; nothing may have moved between the two."""
    assert answer["discrepancies"] == []
    assert answer["balanced"] is True
    told = {
        totals["currency"]: tuple(Decimal(totals[name]) for name in ("balances", "held", "in_transit", "sum"))
        for totals in answer["currencies"]
    }
    assert {currency: _minor(currency, amounts) for currency, amounts in told.items()} == totals(books)


def violations(books: Books, *, openings_may_be_undone: bool = False) -> list[str]:
    """Everything that must not be, a sentence each. An opening is undone only by faults, or by somebody's hand."""
    checks = (
        _sums_not_zero, _negative_amounts, _wrong_statuses, _wrong_accounts, _wrong_openings,
        _wrong_records, _unknown_to_accounts, _wrong_entries, _wrong_running_balances,
    )  # fmt: skip
    found = [violation for check in checks for violation in check(books)]
    return found if openings_may_be_undone else [*found, *_undone_openings(books)]


def totals(books: Books) -> dict[str, tuple[int, int, int, int]]:
    """Per currency: balances, held, in transit, and their sum."""
    balances: Counter[str] = Counter()
    held: Counter[str] = Counter()
    in_transit: Counter[str] = Counter()
    for account in books.accounts.values():
        balances[account.currency] += account.balance_minor
        held[account.currency] += account.held_minor
    for transfer in books.transfers.values():
        arrived = (transfer.withdraw == APPLIED) - (transfer.deposit == APPLIED)
        in_transit[transfer.currency] += arrived * transfer.amount_minor
    return {
        currency: (balances[currency], held[currency], in_transit[currency], in_all)
        for currency in {**balances, **in_transit}
        for in_all in [balances[currency] + held[currency] + in_transit[currency]]
    }


def _sums_not_zero(books: Books) -> Iterator[str]:
    for currency, amounts in totals(books).items():
        if amounts[-1] != 0:
            yield f"{currency}: balances, held, in transit and their sum are {amounts}"


def _negative_amounts(books: Books) -> Iterator[str]:
    for account in books.accounts.values():
        if account.held_minor < 0 or (account.balance_minor < 0 and account.kind != "treasury"):
            yield f"below zero: {account}"
        if account.status == "closed" and (account.balance_minor or account.held_minor):
            yield f"closed with money: {account}"


def _wrong_statuses(books: Books) -> Iterator[str]:
    """Rule 10, and the time of the row that made a transfer final."""
    for transfer in books.transfers.values():
        by_rows = status_by_rows(transfer.withdraw, transfer.deposit, transfer.release)
        if transfer.final_status != by_rows:
            yield f"status is not rule 10's ({by_rows}): {transfer}"
        if transfer.final_status is not None and not transfer.finished_when_decided:
            yield f"finished at no row's time: {transfer}"


def _wrong_accounts(books: Books) -> Iterator[str]:
    """Account by account: the ledger's entries of completed transfers, and what those on their way have moved."""
    balance: Counter[str] = Counter()
    held: Counter[str] = Counter()
    completed = {t.transfer_id for t in books.transfers.values() if t.final_status == "completed"}
    for entry in books.entries:
        if entry.transfer_id in completed:
            balance[entry.account_id] += entry.amount_minor
    for transfer in books.transfers.values():
        if transfer.final_status is None and transfer.withdraw == APPLIED:
            balance[transfer.source_account] -= transfer.amount_minor
        if transfer.final_status is None and transfer.deposit == APPLIED:
            held[transfer.destination_account] += transfer.amount_minor
    for account in books.accounts.values():
        expected = (balance.pop(account.id, 0), held.pop(account.id, 0))
        if (account.balance_minor, account.held_minor) != expected:
            yield f"by the entries balance and held are {expected}: {account}"
    for account_id in {**balance, **held}:
        yield f"money moved on {account_id}, which doesn't exist"


def _wrong_openings(books: Books) -> Iterator[str]:
    for account in books.accounts.values():
        opening = books.transfers.get(opening_transfer_id(account.id))
        if opening is None or opening.final_status is None:
            continue
        asked = (treasury_of(account.currency), account.id, account.opening_balance_minor, account.currency)
        moved = (opening.source_account, opening.destination_account, opening.amount_minor, opening.currency)
        if asked != moved or opening.final_status == "rejected":
            yield f"the opening transfer of {account} is {opening}"


def _undone_openings(books: Books) -> Iterator[str]:
    for account in books.accounts.values():
        opening = books.transfers.get(opening_transfer_id(account.id))
        if opening is not None and opening.final_status == "compensated":
            yield f"the opening transfer of {account} was undone: {opening}"


def _wrong_records(books: Books) -> Iterator[str]:
    """Rule 14, and that both databases speak of the same request."""
    for transfer in books.transfers.values():
        record = books.records.get(transfer.transfer_id)
        if record is not None and record.fingerprint != transfer.fingerprint:
            yield f"the ledger has another request than {transfer}"
        if transfer.final_status is not None and books.record(transfer.transfer_id) not in _records_that_fit(transfer):
            yield f"the ledger says {books.record(transfer.transfer_id)} of {transfer}"


def _records_that_fit(transfer: Transfer) -> set[str | None]:
    if transfer.final_status == "completed":
        return {APPLIED}
    if transfer.final_status == "rejected":
        return {None, CANCELLED}
    never_recorded: set[str | None] = {None} if transfer.deposit in (REJECTED, CANCELLED) else set()
    return {CANCELLED, REJECTED} | never_recorded


def _unknown_to_accounts(books: Books) -> Iterator[str]:
    """A withdraw's row is there before its record's."""
    for transfer_id in books.applied_before - books.transfers.keys():
        yield f"the ledger has applied {transfer_id}, which the accounts don't know"


def _wrong_entries(books: Books) -> Iterator[str]:
    """Two entries for each applied record, as the transfer asked, and none beside them."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    for entry in books.entries:
        entries[entry.transfer_id].append(entry)
    for transfer_id in {**books.records, **entries}:
        found = [(entry.account_id, entry.amount_minor, entry.currency) for entry in entries[transfer_id]]
        if sum(amount for _, amount, _ in found) != 0:
            yield f"entries of {transfer_id} don't sum to zero: {found}"
        if bool(found) != (books.record(transfer_id) == APPLIED):
            yield f"{transfer_id} is {books.record(transfer_id)} with the entries {found}"
        asked = books.transfers.get(transfer_id)
        if found and asked is not None and sorted(found) != _entries_of(asked):
            yield f"entries are {found}: {asked}"


def _entries_of(asked: Transfer) -> list[tuple[str, int, str]]:
    return entries_as_asked(asked.source_account, asked.destination_account, asked.amount_minor, asked.currency)


def _wrong_running_balances(books: Books) -> Iterator[str]:
    running: Counter[str] = Counter()
    for entry in books.entries:
        running[entry.account_id] += entry.amount_minor
        if entry.balance_after_minor != running[entry.account_id]:
            yield f"the running balance should be {running[entry.account_id]}: {entry}"
    for account in books.ledger_accounts.values():
        if account.balance_minor != running[account.id]:
            yield f"by its entries it has {running[account.id]}: {account}"


def _minor(currency: str, amounts: tuple[Decimal, ...]) -> tuple[int, ...]:
    return tuple(int(amount.scaleb(Currency(currency).exponent or 0)) for amount in amounts)
