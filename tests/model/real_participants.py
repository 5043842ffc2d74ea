"""The participants' own code on their own databases, asked and answering in the model's words."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from account_worker import steps as account_steps
from account_worker.account_lifecycle import AccountNotEmpty, AccountNotFound, close_account, open_account
from account_worker.accounts import GuardViolated, IdempotencyKeyReused
from account_worker.steps import AccountStep, Outcome
from ledger_worker import steps as ledger_steps
from ledger_worker.entries import ledger_rejected
from model.protocol import Account, Accounts, Answer, Body, Name, Order, Plan, Problem, Request, Rows
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Connection, Engine, text
from transfer_contract.http import NewAccount
from transfer_contract.identity import opening_transfer_id, treasury_of
from transfer_contract.steps import Compensation, Decision, Failure, FailureCode, Step, StepError
from transfer_contract.transfers import AbortRequest, TransferRequest

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ATTEMPT: Final = Attempt(number=1, scheduled_at=_NOW)
_ACCOUNT_STEPS: Final[dict[Name, AccountStep[Any]]] = {
    Step.WITHDRAW: account_steps.WITHDRAW,
    Step.DEPOSIT: account_steps.DEPOSIT,
    Step.RELEASE: account_steps.RELEASE,
    Compensation.DEPOSIT: account_steps.DEPOSIT_COMPENSATION,
    Compensation.WITHDRAW: account_steps.WITHDRAW_COMPENSATION,
}
_ACCOUNTS = text("SELECT id, balance_minor, held_minor, status FROM accounts WHERE id = ANY (:ids)")
_ROWS = text("""
    SELECT transfer_id, fingerprint, final_status, step, decision
    FROM transfers LEFT JOIN decisions USING (transfer_id) WHERE transfer_id = ANY (:ids)
""")
_RECORDS = text("""
    SELECT transfer_id, fingerprint, decision,
           coalesce((SELECT sum(amount_minor) FILTER (WHERE amount_minor > 0) FROM entries
                     WHERE entries.transfer_id = transfers.transfer_id), 0) AS credited
    FROM transfers LEFT JOIN decisions USING (transfer_id) WHERE transfer_id = ANY (:ids)
""")


class Databases(NamedTuple):
    """The readers commit by themselves: what they read is what has been committed."""

    accounts: Engine
    ledger: Engine
    accounts_reader: Connection
    ledger_reader: Connection


class Seen(NamedTuple):
    """What can be read of a plan's accounts and transfers; `credited` is what the ledger has entered for each."""

    accounts: Accounts
    rows: tuple[Rows, ...]
    final_statuses: tuple[str | None, ...]
    credited: tuple[int, ...]


class RealParticipants:
    """A plan's accounts and transfers among all others in the two databases; `name` keeps them apart."""

    def __init__(self, databases: Databases, plan: Plan, name: str) -> None:
        self._databases = databases
        self._accounts, self._ledger = databases.accounts, databases.ledger
        self._plan = plan
        self._account_ids = [f"{name}-account-{number}" for number in range(len(plan.accounts))]
        self._requests = [
            {body: self._transfer(f"{name}-{number}", body, order) for body, order in orders.items()}
            for number, orders in enumerate(plan.orders)
        ]
        self._transfer_ids = [requests[Body.FIRST].transfer_id for requests in self._requests]
        in_transaction(self._accounts, self._open_accounts)
        if openings := self._openings():
            in_transaction(self._ledger, lambda c: ledger_steps.record(c, openings, _ATTEMPT, lambda _: None))

    def execute(self, number: int, request: Request, *, refused: bool) -> Answer:
        """`refused`: what the ledger decides where the decision is its own."""
        transfer = self._requests[number][request.body]
        if request.name is Step.RECORD:
            return self._record(transfer, refused=refused)
        if request.name is Compensation.RECORD:
            return self._in_ledger(lambda c: ledger_steps.record_compensation(c, [_abort(transfer)], _ATTEMPT))
        asked = _abort(transfer) if isinstance(request.name, Compensation) else transfer
        return self._account_step(_ACCOUNT_STEPS[request.name], asked)

    def close(self, number: int) -> bool:
        try:
            in_transaction(self._accounts, lambda c: close_account(c, self._account_ids[number]))
        except (AccountNotEmpty, AccountNotFound):
            return False
        return True

    def seen(self) -> Seen:
        of_accounts, of_transfers = {"ids": self._account_ids}, {"ids": self._transfer_ids}
        reader = self._databases.accounts_reader
        found = {row.id: row for row in reader.execute(_ACCOUNTS, of_accounts)}
        decided = reader.execute(_ROWS, of_transfers).all()
        recorded = {row.transfer_id: row for row in self._databases.ledger_reader.execute(_RECORDS, of_transfers)}
        rows = [
            self._rows(requests, [row for row in decided if row.transfer_id == transfer_id], recorded.get(transfer_id))
            for requests, transfer_id in zip(self._requests, self._transfer_ids, strict=True)
        ]
        statuses = {row.transfer_id: row.final_status for row in decided}
        return Seen(
            accounts=tuple(_account(found.get(account_id)) for account_id in self._account_ids),
            rows=tuple(rows),
            final_statuses=tuple(statuses.get(transfer_id) for transfer_id in self._transfer_ids),
            credited=tuple(recorded[t].credited if t in recorded else 0 for t in self._transfer_ids),
        )

    def _rows(self, requests: dict[Body, TransferRequest], decided: Sequence[Any], recorded: Any) -> Rows:
        body_of = {request.fingerprint: body for body, request in requests.items()}
        decisions = {Step(row.step): Decision(row.decision) for row in decided if row.step}
        return Rows(
            withdraw=decisions.get(Step.WITHDRAW),
            deposit=decisions.get(Step.DEPOSIT),
            release=decisions.get(Step.RELEASE),
            body=body_of[decided[0].fingerprint] if decided else None,
            record=Decision(recorded.decision) if recorded and recorded.decision else None,
            record_body=body_of[recorded.fingerprint] if recorded else None,
        )

    def _transfer(self, transfer_id: str, body: Body, order: Order) -> TransferRequest:
        return _request(
            transfer_id, self._account_ids[order.source], self._account_ids[order.destination], order.amount, body
        )

    def _open_accounts(self, connection: Connection) -> None:
        """Their money comes by whole transfers from the treasury, as all money does."""
        for account_id, account in zip(self._account_ids, self._plan.accounts, strict=True):
            if account is not None:
                balance = account.balance
                new = NewAccount(id=account_id, owner="Ann", currency="EUR", opening_balance_minor=balance)
                open_account(connection, new)
        for step in (account_steps.WITHDRAW, account_steps.DEPOSIT, account_steps.RELEASE):
            account_steps.run_step(connection, step, self._openings(), _ATTEMPT)

    def _openings(self) -> list[TransferRequest]:
        return [
            _request(opening_transfer_id(account_id), treasury_of("EUR"), account_id, account.balance, "opening")
            for account_id, account in zip(self._account_ids, self._plan.accounts, strict=True)
            if account is not None and account.balance
        ]

    def _record(self, transfer: TransferRequest, *, refused: bool) -> Decision:
        def refuse(_: object) -> StepError | None:
            return ledger_rejected("as the schedule says") if refused else None

        return self._in_ledger(lambda c: ledger_steps.record(c, [transfer], _ATTEMPT, refuse))

    def _in_ledger(self, step: Callable[[Connection], list[Any]]) -> Decision:
        [row] = in_transaction(self._ledger, step)
        return Decision(row.decision)

    def _account_step(self, step: AccountStep[Any], asked: TransferRequest | AbortRequest) -> Answer:
        outcomes: list[Outcome] = in_transaction(
            self._accounts, lambda c: account_steps.run_step(c, step, [asked], _ATTEMPT)
        )
        match outcomes:
            case [IdempotencyKeyReused()]:
                return Problem.KEY_REUSED
            case [GuardViolated()]:
                return Problem.GUARD
            case [outcome]:
                assert not isinstance(outcome, Exception)
                return outcome.decision
        raise AssertionError(outcomes)


def _account(row: Any) -> Account | None:
    return Account(row.balance_minor, row.held_minor, row.status == "open") if row else None


def _request(transfer_id: str, source: str, destination: str, amount: int, reference: str) -> TransferRequest:
    return TransferRequest(
        transfer_id=transfer_id,
        source_account=source,
        destination_account=destination,
        amount_minor=amount,
        currency="EUR",
        reference=reference,
        created_at=_NOW,
    )


def _abort(transfer: TransferRequest) -> AbortRequest:
    return AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.CANCELLED, detail="as the schedule says"))
