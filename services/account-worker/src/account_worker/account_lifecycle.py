"""How an account begins and ends. The money of an opening balance comes by a transfer, as any other does."""

from typing import Any, ClassVar

from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_unless_there
from transfer_contract.http import Account, NewAccount, ProblemCode
from transfer_contract.identity import is_treasury, treasury_of

from account_worker.models import account, accounts


class AccountError(Exception):
    """A request about an account that can't be met. Nothing has changed."""

    code: ClassVar[ProblemCode]

    def __init__(self, account_id: str, detail: str) -> None:
        super().__init__(f"account {account_id}: {detail}")
        self.account_id = account_id


class AccountExists(AccountError):  # noqa: N818 - these four are named as their codes are
    code = ProblemCode.ACCOUNT_EXISTS


class AccountNotFound(AccountError):  # noqa: N818
    code = ProblemCode.NOT_FOUND


class AccountNotEmpty(AccountError):  # noqa: N818
    code = ProblemCode.ACCOUNT_NOT_EMPTY


class TreasuryNotAllowed(AccountError):  # noqa: N818
    code = ProblemCode.TREASURY_NOT_ALLOWED


_IN_FLIGHT = text("""
    SELECT EXISTS (
        SELECT FROM transfer_decisions
        WHERE source_account = :account_id AND final_status IS NULL
          AND withdraw = 'applied' AND release IS DISTINCT FROM 'applied'
    )
""")
"""By the rows (rule 12). What they describe is never final, and saying so lets an index find it."""


def open_account(connection: Connection, new: NewAccount) -> tuple[Account, bool]:
    """The account, and whether it is new. The same data again is no error; other data raises AccountExists.

    Makes the currency's treasury with the currency's first account.
    """
    _refuse_treasury(new.id)
    treasury = {"id": treasury_of(new.currency), "kind": "treasury", "owner": "treasury", "currency": new.currency}
    _insert_unless_there(connection, treasury | {"opening_balance_minor": 0})
    if _insert_unless_there(connection, new.model_dump() | {"kind": "customer"}):
        return _get(connection, new.id), True
    there = _get(connection, new.id)
    if NewAccount.model_validate(there.model_dump(include=set(NewAccount.model_fields))) != new:
        raise AccountExists(new.id, "exists with other data")
    return there, False


def close_account(connection: Connection, account_id: str) -> Account:
    """Rule 12: judged by the rows, under the account's lock, so that no withdrawal can slip in between."""
    _refuse_treasury(account_id)
    there = _get(connection, account_id, lock=True)
    if there.status == "closed":
        return there
    if there.balance_minor or there.held_minor:
        raise AccountNotEmpty(account_id, "has money")
    if connection.scalar(_IN_FLIGHT, {"account_id": account_id}):
        raise AccountNotEmpty(account_id, "has a transfer in flight that may still come back to it")
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(status="closed"))
    return there.model_copy(update={"status": "closed"})


def _refuse_treasury(account_id: str) -> None:
    if is_treasury(account_id):
        raise TreasuryNotAllowed(account_id, "a treasury is made with its currency's first account, and stays")


def _insert_unless_there(connection: Connection, values: dict[str, Any]) -> bool:
    statement = insert_unless_there(accounts).values(values).on_conflict_do_nothing().returning(accounts.c.id)
    return connection.scalar(statement) is not None


def _get(connection: Connection, account_id: str, *, lock: bool = False) -> Account:
    query = select(accounts).where(accounts.c.id == account_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise AccountNotFound(account_id, "does not exist")
    return account(row)
