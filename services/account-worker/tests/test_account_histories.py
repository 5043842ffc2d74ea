"""Any sequence of requests, single and in lists, late and twice: the database does what the oracle says."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pytest
from account_oracle import Answer, Money, Name, Oracle
from account_worker import steps
from account_worker.account_lifecycle import close_account, open_account
from account_worker.accounts import StepProblem
from account_worker.queries import find_transfer
from account_worker.steps import AccountStep, Outcome, run_step
from hypothesis import given, settings
from hypothesis import strategies as st
from random_histories import play_never_seen
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Connection, Engine, text
from system.figures import Figures
from transfer_contract.http import NewAccount
from transfer_contract.identity import treasury_of
from transfer_contract.steps import Compensation, Decision, Failure, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

RICH, POOR, CLOSED, DOLLARS, UNKNOWN, TREASURY = "rich", "poor", "closed", "dollars", "unknown", "treasury"
BALANCES: Final = {RICH: 6, POOR: 1, CLOSED: 0, DOLLARS: 0}
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPT: Final = Attempt(number=1, scheduled_at=NOW)
STEPS: Final[dict[Name, AccountStep[Any]]] = {
    Step.WITHDRAW: steps.WITHDRAW,
    Step.DEPOSIT: steps.DEPOSIT,
    Step.RELEASE: steps.RELEASE,
    Compensation.DEPOSIT: steps.DEPOSIT_COMPENSATION,
    Compensation.WITHDRAW: steps.WITHDRAW_COMPENSATION,
}
_examples = itertools.count(1)


class Body(NamedTuple):
    source: str
    destination: str
    amount: int


class Asked(NamedTuple):
    """A request for one of the transfers; `other` comes with the same id and another body."""

    transfer: int
    other: bool


class Call(NamedTuple):
    name: Name
    asked: list[Asked]


class History(NamedTuple):
    """`committed`: which transfers the ledger lets through. The others are aborted (rules 4 and 6)."""

    bodies: list[tuple[Body, Body]]
    committed: list[bool]
    calls: list[Call]


_bodies = st.builds(
    Body,
    source=st.sampled_from([RICH, RICH, RICH, POOR, POOR, CLOSED, UNKNOWN, TREASURY]),
    destination=st.sampled_from([POOR, POOR, POOR, RICH, CLOSED, DOLLARS, UNKNOWN]),
    amount=st.integers(1, 3),
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    count = draw(st.integers(1, 3))
    asked = st.builds(Asked, st.integers(0, count - 1), st.sampled_from([False, False, False, True]))
    call = st.builds(Call, st.sampled_from(list(STEPS)), st.lists(asked, min_size=1, max_size=4))
    return History(
        bodies=draw(st.lists(st.tuples(_bodies, _bodies), min_size=count, max_size=count)),
        committed=draw(st.lists(st.booleans(), min_size=count, max_size=count)),
        calls=draw(st.lists(call, min_size=8, max_size=24)),
    )


@given(history=histories())
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_history_of_requests_is_answered_as_the_oracle_says(engine: Engine, history: History) -> None:
    Play(engine, history).make_all()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_histories_never_seen_before_are_answered_as_the_oracle_says(engine: Engine, figures: Figures) -> None:
    seed = play_never_seen(histories(), lambda history: Play(engine, history).make_all())
    figures.number("histories of the accounts never seen before, of seed", seed)


class Play:
    """A history on accounts and transfers of its own."""

    def __init__(self, engine: Engine, history: History) -> None:
        self._engine = engine
        self._history = history
        self._prefix = f"history-{next(_examples):05}"
        in_transaction(engine, self._open_accounts)
        treasury = Money("EUR", balance=self._treasury(), may_go_below_zero=True)
        money = {self._id(role): Money("EUR", balance) for role, balance in BALANCES.items()}
        money[self._id(CLOSED)].currency, money[self._id(DOLLARS)].currency = None, "USD"
        self._oracle = Oracle(money | {treasury_of("EUR"): treasury})
        self._last_rows: dict[tuple[str, Step], StepRow] = {}

    def make_all(self) -> None:
        for call in self._history.calls:
            self._make(call)

    def _make(self, call: Call) -> None:
        requests = [self._request(asked) for asked in call.asked if self._may_come(call.name, asked)]
        before = dict(self._oracle.rows)
        expected = [self._oracle.answer(call.name, request) for request in requests]
        sent = [_abort(r) for r in requests] if isinstance(call.name, Compensation) else requests
        outcomes = in_transaction(self._engine, lambda c: run_step(c, STEPS[call.name], sent, ATTEMPT))
        assert [_answer(outcome) for outcome in outcomes] == expected
        self._check_rows([row for row in outcomes if isinstance(row, StepRow)], before)
        self._check_money()

    def _may_come(self, name: Name, asked: Asked) -> bool:
        """The ledger's door: nobody releases what is aborted; nobody undoes what is let through, but too late."""
        committed = self._history.committed[asked.transfer]
        if name is Step.RELEASE:
            return committed
        is_released = self._oracle.is_released(self._transfer_id(asked.transfer))
        return isinstance(name, Step) or not committed or is_released

    def _check_rows(self, rows: list[StepRow], before: Mapping[tuple[str, Step], Decision]) -> None:
        for row in rows:
            key = row.transfer_id, row.step
            if before.get(key) is row.decision:
                assert row == self._last_rows[key]  # a row that was there is the answer as it stands
            self._last_rows[key] = row
        with self._engine.connect() as connection:
            for transfer_id in {row.transfer_id for row in rows}:
                found = find_transfer(connection, transfer_id)
                assert found is not None
                assert found.transfer == self._oracle.stored[transfer_id]
                assert {row.step: row for row in found.rows} == {
                    step: row for (id_, step), row in self._last_rows.items() if id_ == transfer_id
                }

    def _check_money(self) -> None:
        with self._engine.connect() as connection:
            query = text("SELECT id, balance_minor, held_minor FROM accounts WHERE id = ANY (:ids)")
            found = connection.execute(query, {"ids": list(self._oracle.accounts)}).all()
        expected = {id_: (money.balance, money.held) for id_, money in self._oracle.accounts.items()}
        assert {row.id: (row.balance_minor, row.held_minor) for row in found} == expected

    def _open_accounts(self, connection: Connection) -> None:
        openings = []
        for role, balance in BALANCES.items():
            currency = "USD" if role == DOLLARS else "EUR"
            new = NewAccount(id=self._id(role), owner="Ann", currency=currency, opening_balance_minor=balance)
            open_account(connection, new)
            if balance:
                opening = Body(TREASURY, role, balance)
                openings.append(self._transfer(f"{self._prefix}-opening-{role}", opening))
        for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
            run_step(connection, step, openings, ATTEMPT)
        close_account(connection, self._id(CLOSED))

    def _request(self, asked: Asked) -> TransferRequest:
        first, other = self._history.bodies[asked.transfer]
        return self._transfer(self._transfer_id(asked.transfer), other if asked.other else first)

    def _transfer_id(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def _transfer(self, transfer_id: str, body: Body) -> TransferRequest:
        return TransferRequest(
            transfer_id=transfer_id,
            source_account=self._id(body.source),
            destination_account=self._id(body.destination),
            amount_minor=body.amount,
            currency="EUR",
            created_at=NOW,
        )

    def _id(self, role: str) -> str:
        return treasury_of("EUR") if role == TREASURY else f"{self._prefix}-{role}"

    def _treasury(self) -> int:
        with self._engine.connect() as connection:
            query = text("SELECT balance_minor FROM accounts WHERE id = :id")
            return int(connection.scalar(query, {"id": treasury_of("EUR")}))


def _answer(outcome: Outcome) -> Answer:
    return type(outcome) if isinstance(outcome, StepProblem) else outcome.decision


def _abort(transfer: TransferRequest) -> AbortRequest:
    return AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.CANCELLED, detail="as asked"))
