"""Both databases, looked at again and again past every proxy: what has changed since the last look is judged."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any, Final

import psycopg
from chaos.row_history import (
    NOT_RECORDED,
    AccountRows,
    LedgerRows,
    wrong_between,
    wrong_in_accounts,
    wrong_in_ledger,
)
from chaos.violations import Violations

_STATEMENT_SECONDS: Final = 30
_ACCOUNTS: Final = """
    SELECT id, kind, currency, balance_minor, held_minor, status FROM accounts
"""
# One line a transfer, and no tab in it but between the columns: only lines that are new have to be taken apart.
_TRANSFERS: Final = """
    COPY (
        SELECT transfer_id, fingerprint, coalesce(reference, ''), source_account, destination_account, amount_minor,
               currency, coalesce(final_status, ''),
               coalesce(string_agg(step || '=' || decision, ',' ORDER BY step), '')
        FROM transfers LEFT JOIN decisions USING (transfer_id) GROUP BY transfer_id
    ) TO STDOUT
"""
_RECORDS: Final = """
    COPY (
        SELECT transfer_id, fingerprint, coalesce(decision, ''),
               coalesce(string_agg(account_id || '=' || entries.amount_minor || '=' || entries.currency, ','
                                   ORDER BY account_id, id), '')
        FROM transfers LEFT JOIN decisions USING (transfer_id) LEFT JOIN entries USING (transfer_id)
        GROUP BY transfer_id, decision
    ) TO STDOUT
"""
_ENTRY_SUMS: Final = "SELECT currency, sum(amount_minor) FROM entries GROUP BY currency HAVING sum(amount_minor) <> 0"


@dataclass(frozen=True)
class AccountMoney:
    id: str
    kind: str
    currency: str
    balance_minor: int
    held_minor: int
    status: str


class RowWatch:
    """`look` blocks. It raises psycopg.OperationalError where a database can't be read; then nothing of it counts."""

    def __init__(self, accounts_url: str, ledger_url: str, violations: Violations) -> None:
        self._accounts_url = accounts_url
        self._ledger_url = ledger_url
        self._violations = violations
        self._one_at_a_time = Lock()
        self._lines: set[str] = set()
        self._ledger_lines: set[str] = set()
        self._ledger_changed: set[str] = set()
        self._references: dict[str, str] = {}
        self.transfers: dict[str, AccountRows] = {}
        self.records: dict[str, LedgerRows] = {}
        self.seen_at: dict[str, float] = {}
        """When a transfer's first row was seen, in seconds since the run began."""

    def look(self) -> None:
        """First the accounts, then the ledger; what has changed since the last look is judged.

        One look after the other: what an earlier one has read, judged after a later one, would look like a way back.
        """
        with self._one_at_a_time:
            self._look()

    def _look(self) -> None:
        with _snapshot(self._accounts_url) as connection:
            accounts = [AccountMoney(*row) for row in connection.execute(_ACCOUNTS)]
            lines = _lines(connection, _TRANSFERS)
        with _snapshot(self._ledger_url) as connection:
            sums = connection.execute(_ENTRY_SUMS).fetchall()
            ledger_lines = _lines(connection, _RECORDS)
        for currency, amount in sums:
            self._violations.add("sums are zero per currency", f"{currency}: the ledger's entries sum to {amount}")
        changed = self._take_accounts(lines)
        self._judge_money(accounts)
        self._take_ledger(ledger_lines, changed)

    @property
    def not_final(self) -> list[AccountRows]:
        return [rows for rows in self.transfers.values() if not rows.status]

    def _take_accounts(self, lines: set[str]) -> set[str]:
        """Answers the transfers that have changed."""
        new = [_account_rows(line) for line in lines - self._lines]
        changed = {rows.transfer_id for rows in new}
        self._judge_vanished(self._lines - lines, changed)
        for rows in new:
            before = self.transfers.get(rows.transfer_id)
            self._add(rows.transfer_id, wrong_in_accounts(before, rows))
            self._judge_reference(rows)
            self.seen_at.setdefault(rows.transfer_id, self._violations.now)
            self.transfers[rows.transfer_id] = rows
        self._lines = lines
        return changed

    def _take_ledger(self, lines: set[str], changed: set[str]) -> None:
        """What the ledger had decided at the last look stood before this look at the accounts."""
        new = [_ledger_rows(line) for line in lines - self._ledger_lines]
        new_ids = {rows.transfer_id for rows in new}
        self._judge_vanished(self._ledger_lines - lines, new_ids)
        later = {rows.transfer_id: rows for rows in new}
        for rows in new:
            self.seen_at.setdefault(rows.transfer_id, self._violations.now)
            self._add(rows.transfer_id, wrong_in_ledger(self.records.get(rows.transfer_id), rows))
        for transfer_id in changed | new_ids | self._ledger_changed:
            earlier = self.records.get(transfer_id, NOT_RECORDED)
            self._judge_between(transfer_id, earlier, later.get(transfer_id, earlier))
        self.records |= later
        self._ledger_lines, self._ledger_changed = lines, new_ids

    def _judge_between(self, transfer_id: str, earlier: LedgerRows, later: LedgerRows) -> None:
        accounts = self.transfers.get(transfer_id)
        if accounts is not None:
            self._add(transfer_id, wrong_between(earlier, accounts, later))
        elif earlier.entries:
            self._violations.add("the accounts know what the ledger recorded", str(earlier), transfer_id)

    def _judge_money(self, accounts: Iterable[AccountMoney]) -> None:
        totals: Counter[str] = Counter()
        for account in accounts:
            totals[account.currency] += account.balance_minor + account.held_minor
            if account.held_minor < 0 or (account.balance_minor < 0 and account.kind != "treasury"):
                self._violations.add("nothing is below zero", str(account))
            if account.status == "closed" and (account.balance_minor or account.held_minor):
                self._violations.add("a closed account is empty", str(account))
        for rows in self.transfers.values():
            totals[rows.request[5]] += rows.in_transit_minor
        for currency, amount in totals.items():
            if amount != 0:
                self._violations.add("sums are zero per currency", f"{currency}: accounts and transit sum to {amount}")

    def _judge_reference(self, rows: AccountRows) -> None:
        """The clients' references are their keys."""
        reference = rows.request[1]
        if reference.startswith("chaos-"):
            first = self._references.setdefault(reference, rows.transfer_id)
            if first != rows.transfer_id:
                detail = f"{reference}: {first} and {rows.transfer_id}"
                self._violations.add("a key is one transfer", detail, rows.transfer_id)

    def _judge_vanished(self, old_lines: Iterable[str], changed: set[str]) -> None:
        for line in old_lines:
            transfer_id = line.partition("\t")[0]
            if transfer_id not in changed:
                self._violations.add("rows never vanish", line, transfer_id)

    def _add(self, transfer_id: str, wrong: Iterator[tuple[str, str]]) -> None:
        for check, detail in wrong:
            self._violations.add(check, detail, transfer_id)


def _snapshot(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, connect_timeout=5, options=f"-c statement_timeout={_STATEMENT_SECONDS}s")
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _lines(connection: psycopg.Connection[Any], query: str) -> set[str]:
    with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
        return set(b"".join(map(bytes, copy)).decode().splitlines())


def _account_rows(line: str) -> AccountRows:
    transfer_id, *request, status, decisions = line.split("\t")
    return AccountRows(transfer_id, tuple(request), status, tuple(_pairs(decisions)))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, text.split(",")):
        step, decision = pair.split("=")
        yield step, decision


def _ledger_rows(line: str) -> LedgerRows:
    transfer_id, fingerprint, decision, entries = line.split("\t")
    found = (tuple(entry.split("=")) for entry in filter(None, entries.split(",")))
    return LedgerRows(
        transfer_id,
        fingerprint,
        decision,
        tuple((account, int(amount), currency) for account, amount, currency in found),
    )


def unfinished_batches_among(accounts_url: str, batch_ids: Iterable[str]) -> set[str]:
    """Those of them of which a transfer isn't final now."""
    query = "SELECT DISTINCT left(transfer_id, 36) FROM transfers WHERE final_status IS NULL"
    with _snapshot(accounts_url) as connection:
        return set(batch_ids) & set(chain.from_iterable(connection.execute(query)))


def final_among(accounts_url: str, transfer_ids: Iterable[str]) -> set[str]:
    """Those of them whose rows are final now."""
    query = "SELECT transfer_id FROM transfers WHERE transfer_id = ANY (%s) AND final_status IS NOT NULL"
    with _snapshot(accounts_url) as connection:
        return set(chain.from_iterable(connection.execute(query, [list(transfer_ids)])))
