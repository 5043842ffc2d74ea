"""Two small databases whose money is right: what is planted in them afterwards is wrong by exactly that."""

from typing import Final, Self

import psycopg

UNGUARDED: Final = (
    b"""ALTER TABLE accounts DROP CONSTRAINT held_not_below_zero, DROP CONSTRAINT customer_not_below_zero,
                             DROP CONSTRAINT closed_is_empty;
        ALTER TABLE decisions DROP CONSTRAINT decisions_pkey""",
    b"""DROP TRIGGER append_only ON entries; DROP TRIGGER append_only ON decisions;
        DROP TRIGGER append_only ON transfers;
        DROP TRIGGER double_entry ON entries; DROP TRIGGER double_entry ON decisions;
        ALTER TABLE entries DROP CONSTRAINT entries_transfer_id_account_id_key""",
)
"""What the participants' own databases refuse; the checks are to see it without their help."""

_EMPTY: Final = (
    b"TRUNCATE accounts, transfers, decisions",
    b"TRUNCATE transfers, decisions, ledger_accounts, entries",
)
_ACCOUNTS: Final = (("treasury-eur", "treasury", -1000, 0), ("alice", "customer", 820, 0), ("bob", "customer", 100, 50))
_TRANSFERS: Final = (
    ("completed", 100, "completed", {"withdraw": "applied", "deposit": "applied", "release": "applied"}, "applied"),
    ("rejected", 900, "rejected", {"withdraw": "rejected"}, None),
    ("undone", 40, "compensated", {"withdraw": "compensated", "deposit": "compensated"}, "cancelled"),
    ("in-transit", 30, None, {"withdraw": "applied"}, None),
    ("held", 50, None, {"withdraw": "applied", "deposit": "applied"}, None),
)
"""From alice to bob: id, amount in minor units, final status, rows of the accounts, decision of the ledger."""


class PlantedBooks:
    def __init__(self, accounts_url: str, ledger_url: str) -> None:
        self.urls = (accounts_url, ledger_url)
        self._accounts, self._ledger = (psycopg.connect(url, autocommit=True) for url in self.urls)

    def __enter__(self) -> Self:
        for connection, statement in zip((self._accounts, self._ledger), _EMPTY, strict=True):
            connection.execute(statement)
        for account in _ACCOUNTS:
            self._accounts.execute(
                "INSERT INTO accounts (id, kind, balance_minor, held_minor, owner, currency, opening_balance_minor)"
                " VALUES (%s, %s, %s, %s, 'Ann', 'EUR', 0)",
                account,
            )
        for transfer in _TRANSFERS:
            self._add(*transfer)
        return self

    def __exit__(self, *_error: object) -> None:
        self._accounts.close()
        self._ledger.close()

    def in_accounts(self, statement: str) -> None:
        self._accounts.execute(statement.encode())

    def in_ledger(self, statement: str) -> None:
        self._ledger.execute(statement.encode())

    def order(self, transfer_id: str) -> None:
        """Nothing has been decided of it."""
        self._accounts.execute(_REQUEST, {"id": transfer_id, "amount": 1})

    def record(self, transfer_id: str, decision: str, amount: int) -> None:
        """With its entries, where it is applied."""
        request = {"id": transfer_id, "amount": amount, "decision": decision}
        self._ledger.execute(_REQUEST, request)
        self._ledger.execute(
            "INSERT INTO decisions SELECT %(id)s, %(decision)s, CASE WHEN NOT shut THEN '{}'::jsonb END,"
            " CASE WHEN shut THEN '{}'::jsonb END FROM (SELECT %(decision)s = 'cancelled' AS shut)",
            request,
        )
        for account, sign in (("alice", -1), ("bob", 1)) if decision == "applied" else ():
            self._enter(transfer_id, account, sign * amount)

    def _add(
        self, transfer_id: str, amount: int, status: str | None, rows: dict[str, str], recorded: str | None
    ) -> None:
        self._accounts.execute(_REQUEST, {"id": transfer_id, "amount": amount})
        self._accounts.execute(
            "UPDATE transfers SET final_status = %s, finished_at = CASE WHEN %s THEN now() END WHERE transfer_id = %s",
            (status, status is not None, transfer_id),
        )
        for step, decision in rows.items():
            self._accounts.execute(
                "INSERT INTO decisions (transfer_id, step, decision, forward) VALUES (%s, %s, %s, '{}')",
                (transfer_id, step, decision),
            )
        if recorded is not None:
            self.record(transfer_id, recorded, amount)

    def _enter(self, transfer_id: str, account: str, amount: int) -> None:
        self._ledger.execute("INSERT INTO ledger_accounts VALUES (%s, 'EUR', 0) ON CONFLICT DO NOTHING", (account,))
        self._ledger.execute(
            "INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)"
            " VALUES (%s, %s, %s, 0, 'EUR', now())",
            (transfer_id, account, amount),
        )


_REQUEST: Final = """
    INSERT INTO transfers
        (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency, reference, created_at)
    VALUES (%(id)s, 'of ' || %(id)s, 'alice', 'bob', %(amount)s, 'EUR', 'chaos-' || %(id)s, now())
"""
