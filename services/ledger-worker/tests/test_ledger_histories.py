"""Any sequence of records and their compensations, single and in lists, late and twice, against a small oracle."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_worker import steps
from ledger_worker.demo_faults import DemoFaults
from ledger_worker.models import entries, ledger_accounts
from ledger_worker.queries import find_transfers
from random_histories import play_never_seen
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Engine, select
from system.figures import Figures
from transfer_contract.steps import Compensation, Decision, Failure, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPT: Final = Attempt(number=1, scheduled_at=NOW)
_examples = itertools.count(1)


class Body(NamedTuple):
    source: str
    destination: str
    amount: int
    currency: str
    scenario: Scenario | None


class Call(NamedTuple):
    """`asked`: transfers by their number, each with the first or the other body of its id."""

    name: Step | Compensation
    asked: list[tuple[int, int]]


class History(NamedTuple):
    bodies: list[tuple[Body, Body]]
    calls: list[Call]


_bodies = st.builds(
    Body,
    source=st.sampled_from("abc"),
    destination=st.sampled_from("abc"),
    amount=st.integers(1, 3),
    currency=st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
    scenario=st.sampled_from([None, None, None, Scenario.LEDGER_REJECTS]),
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    count = draw(st.integers(1, 5))
    asked = st.tuples(st.integers(0, count - 1), st.sampled_from([0, 0, 0, 1]))
    names: list[Step | Compensation] = [Step.RECORD, Step.RECORD, Compensation.RECORD]
    call = st.builds(Call, st.sampled_from(names), st.lists(asked, min_size=1, max_size=5))
    return History(
        bodies=draw(st.lists(st.tuples(_bodies, _bodies), min_size=count, max_size=count)),
        calls=draw(st.lists(call, min_size=4, max_size=15)),
    )


@dataclass
class Oracle:
    """The rules' table and the double entry, in dictionaries."""

    stored: dict[str, TransferRequest] = field(default_factory=dict)
    rows: dict[str, Decision] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    balances: Counter[str] = field(default_factory=Counter)

    def answer(self, name: Step | Compensation, asked: TransferRequest) -> Decision:
        stored = self.stored.setdefault(asked.transfer_id, asked)
        if asked.transfer_id not in self.rows:
            is_record = name is Step.RECORD
            self.rows[asked.transfer_id] = self._record(stored) if is_record else Decision.CANCELLED
        return self.rows[asked.transfer_id]

    def _record(self, stored: TransferRequest) -> Decision:
        accounts = stored.source_account, stored.destination_account
        fits = all(self.currencies.get(account, stored.currency) == stored.currency for account in accounts)
        if stored.scenario or not fits or len(set(accounts)) == 1:
            return Decision.REJECTED
        self.currencies |= dict.fromkeys(accounts, stored.currency)
        self.balances[stored.source_account] -= stored.amount_minor
        self.balances[stored.destination_account] += stored.amount_minor
        return Decision.APPLIED


@given(history=histories())
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_history_of_records_is_answered_as_the_oracle_says(ledger_engine: Engine, history: History) -> None:
    _play(ledger_engine, history)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_histories_never_seen_before_are_answered_as_the_oracle_says(ledger_engine: Engine, figures: Figures) -> None:
    seed = play_never_seen(histories(), lambda history: _play(ledger_engine, history))
    figures.number("histories of the ledger never seen before, of seed", seed)


def _play(engine: Engine, history: History) -> None:
    prefix = f"history-{next(_examples):05}"
    oracle = Oracle()
    first_rows: dict[str, StepRow] = {}
    for call in history.calls:
        requests = [_request(prefix, number, history.bodies[number][which]) for number, which in call.asked]
        rows = _made(engine, call.name, requests)
        assert [row.decision for row in rows] == [oracle.answer(call.name, request) for request in requests]
        for row in rows:
            assert row == first_rows.setdefault(row.transfer_id, row)  # decided once, and never changed
        _check_books(engine, oracle, first_rows, prefix)


def _made(engine: Engine, name: Step | Compensation, requests: list[TransferRequest]) -> list[StepRow]:
    if name is Step.RECORD:
        return in_transaction(engine, lambda c: steps.record(c, requests, ATTEMPT, DemoFaults().refuse))
    failure = Failure(code=FailureCode.CANCELLED, detail="as asked")
    aborts = [AbortRequest(transfer=request, failure=failure) for request in requests]
    return in_transaction(engine, lambda c: steps.record_compensation(c, aborts, ATTEMPT))


def _check_books(engine: Engine, oracle: Oracle, rows: dict[str, StepRow], prefix: str) -> None:
    with engine.connect() as connection:
        found = {stored.transfer.transfer_id: stored for stored in find_transfers(connection, list(rows))}
        accounts = connection.execute(select(ledger_accounts).where(ledger_accounts.c.id.startswith(prefix))).all()
        entered = connection.execute(select(entries).where(entries.c.account_id.startswith(prefix))).all()
    assert {id_: stored.transfer for id_, stored in found.items()} == oracle.stored
    assert {id_: stored.rows for id_, stored in found.items()} == {id_: [row] for id_, row in rows.items()}
    balances = {row.id: row.balance_minor for row in accounts if row.currency}
    assert balances == {account: oracle.balances[account] for account in oracle.currencies}
    by_entries: Counter[str] = Counter()
    for entry in entered:
        by_entries[entry.account_id] += entry.amount_minor
    assert {account: by_entries[account] for account in oracle.currencies} == balances
    applied = [id_ for id_, decision in oracle.rows.items() if decision is Decision.APPLIED]
    assert sorted(entry.transfer_id for entry in entered) == sorted(applied * 2)


def _request(prefix: str, number: int, body: Body) -> TransferRequest:
    return TransferRequest(
        transfer_id=f"{prefix}-{number}",
        source_account=f"{prefix}-{body.source}",
        destination_account=f"{prefix}-{body.destination}",
        amount_minor=body.amount,
        currency=body.currency,
        scenario=body.scenario,
        created_at=NOW,
    )
