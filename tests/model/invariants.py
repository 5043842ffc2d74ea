"""What must hold in every state, and of every move. Each says in a sentence what is wrong, or None."""

from collections.abc import Iterator
from typing import Final

from model.participants import Executed
from model.protocol import Account, Accounts, Bounds, Orders, Plan, Problem, Rows, Run, Transfer, World, final_status
from model.rules import NOTHING_DROPPED, Rule
from transfer_contract.steps import Decision, FinalStatus

FORGOTTEN: Final = "an accepted transfer is known nowhere any more"
STUCK: Final = "no end can be reached from here without a client"

_RECORD_OF: Final[dict[FinalStatus, tuple[Decision | None, ...]]] = {
    FinalStatus.COMPLETED: (Decision.APPLIED,),
    FinalStatus.REJECTED: (None, Decision.CANCELLED),
    FinalStatus.COMPENSATED: (Decision.CANCELLED, Decision.REJECTED),
}
"""Rule 14."""


def wrong_move(before: Transfer, after: Transfer, executed: Executed | None) -> str | None:
    if executed is not None and executed.answer is Problem.GUARD:
        return f"rule 7's guard fires for {executed.request}"
    if after.rows is not before.rows and (wrong := _wrong_rows(before.rows, after.rows)):
        return wrong
    was_running = before.run is not None and before.run.is_running
    if was_running and after.run is not None and not after.run.is_running:
        return _wrong_end(after.run, after.rows)
    return None


def wrong_state(world: World, bounds: Bounds, dropped: frozenset[Rule] = NOTHING_DROPPED) -> str | None:
    for transfer in world.transfers:
        if _is_lost(transfer) and not bounds.deletion:
            return FORGOTTEN
        if Rule.ROWS_FIRST_GET in dropped and (status := final_status(transfer.rows)):
            shown = transfer.run.result if transfer.run else None
            if shown is not status:
                return f"GET says {shown or 'nothing final'} of a transfer that is {status}"
    return None


def wrong_money(
    accounts: Accounts, rows: tuple[Rows, ...], plan: Plan, dropped: frozenset[Rule] = NOTHING_DROPPED
) -> str | None:
    """Money is conserved: every account has what it began with and what the rows say, no more and no less."""
    for number, (account, opened) in enumerate(zip(accounts, plan.accounts, strict=True)):
        if account is None or opened is None:
            continue
        balance, held = opened.balance, opened.held
        for moved_balance, moved_held in _moved(number, rows, plan.orders):
            balance, held = balance + moved_balance, held + moved_held
        if Rule.HELD in dropped:
            balance, held = balance + held, 0
        if (account.balance, account.held) != (balance, held):
            return f"account {number} has {account.balance} and {account.held}, by the rows {balance} and {held}"
        if wrong := _wrong_account(number, account):
            return wrong
    return None


def is_an_end(world: World, bounds: Bounds) -> bool:
    return all(_has_ended(transfer) or (_is_lost(transfer) and bounds.deletion) for transfer in world.transfers)


def _has_ended(transfer: Transfer) -> bool:
    is_running = transfer.run is not None and transfer.run.is_running
    is_final = final_status(transfer.rows) is not None or not transfer.runs
    return is_final and not is_running and not transfer.reconcilers


def _is_lost(transfer: Transfer) -> bool:
    """It was accepted, and neither Temporal nor a row knows of it."""
    rows = transfer.rows
    return bool(transfer.runs) and transfer.run is None and rows.body is None and rows.record is None


def _wrong_rows(before: Rows, after: Rows) -> str | None:
    status = final_status(after)
    if final_status(before) not in (None, status):
        return f"a transfer was {final_status(before)} and is {status or 'not final'}"
    return _against_the_ledger(after, status)


def _against_the_ledger(rows: Rows, status: FinalStatus | None) -> str | None:
    if rows.record is Decision.APPLIED and rows.record_body is not rows.body:
        return "the ledger has entered another request than the accounts have"
    if rows.record is Decision.APPLIED and rows.withdraw is not Decision.APPLIED:
        return f"the transfer is recorded and its withdraw is {rows.withdraw}"
    if rows.release is Decision.APPLIED and rows.deposit is not Decision.APPLIED:
        return f"the transfer is released and its deposit is {rows.deposit}"
    never_deposited = rows.deposit in (Decision.REJECTED, Decision.CANCELLED)
    if status is None or (status is FinalStatus.COMPENSATED and never_deposited and rows.record is None):
        return None
    return None if rows.record in _RECORD_OF[status] else f"the transfer is {status}, its record {rows.record}"


def _wrong_end(run: Run, rows: Rows) -> str | None:
    """A run that was terminated says nothing, and one whose key was another request's says only that."""
    if run.result is None or run.result is Problem.KEY_REUSED:
        return None
    status = final_status(rows)
    if run.result is not status:
        return f"a run closes as {run.result} where the rows are {status or 'not final'}"
    if status is FinalStatus.COMPLETED and run.body is not rows.body:
        return "a run closes as completed with another request's rows"
    return None


def _moved(number: int, rows: tuple[Rows, ...], orders: tuple[Orders, ...]) -> Iterator[tuple[int, int]]:
    for its_rows, its_orders in zip(rows, orders, strict=True):
        if its_rows.body is None:
            continue
        order = its_orders[its_rows.body]
        if order.source == number and its_rows.withdraw is Decision.APPLIED:
            yield -order.amount, 0
        if order.destination == number and its_rows.deposit is Decision.APPLIED:
            yield (order.amount, 0) if its_rows.release is Decision.APPLIED else (0, order.amount)


def _wrong_account(number: int, account: Account) -> str | None:
    if account.balance < 0 or account.held < 0:
        return f"account {number} is below zero"
    if not account.is_open and (account.balance or account.held):
        return f"account {number} is closed with money on it"
    return None
