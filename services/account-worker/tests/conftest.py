"""A migrated accounts database for each test module, its commands, and the money check that ends every test on it."""

import contextlib
import itertools
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn
from account_worker import steps
from account_worker.account_lifecycle import open_account as open_account_in
from account_worker.accounts import StepProblem
from account_worker.api import add_routes
from account_worker.demo_faults import DemoFaults
from account_worker.main import MIGRATIONS
from account_worker.reconciliation import reconcile
from account_worker.steps import AccountStep, Outcome, Request, run_step
from prometheus_client import CollectorRegistry
from service_runtime.activity_edge import Attempt
from service_runtime.app import create_app
from service_runtime.database import create_database_engine, in_transaction, migrate
from sqlalchemy import Connection, Engine, Row, text
from transfer_contract.http import NewAccount
from transfer_contract.identity import treasury_of
from transfer_contract.names import Process
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepRow, final_status
from transfer_contract.transfers import AbortRequest, TransferRequest

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=32)
    yield engine
    with engine.connect() as connection:
        assert _counted_again(connection) == []
    engine.dispose()


@pytest.fixture(scope="module")
def serve_api() -> Iterator[Callable[[Engine], httpx.Client]]:
    """`serve_api(engine)`: account-api on that database, over real HTTP, with demo faults on."""
    with contextlib.ExitStack() as stack:
        yield lambda engine: stack.enter_context(_served(engine))


@pytest.fixture(scope="module")
def api(engine: Engine, serve_api: Callable[[Engine], httpx.Client]) -> httpx.Client:
    return serve_api(engine)


@contextlib.contextmanager
def _served(engine: Engine) -> Iterator[httpx.Client]:
    app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())
    add_routes(app, engine, DemoFaults(engine))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=10) as client:
            yield client
        server.should_exit = True
        thread.join()


@pytest.fixture(autouse=True)
def money_is_conserved(request: pytest.FixtureRequest) -> Iterator[None]:
    """By the product's own reconciliation after each test; after the last one `engine` counts all again in Python."""
    engine = request.getfixturevalue("engine") if "engine" in request.fixturenames else None
    yield
    if engine is not None:
        report = reconcile(engine)
        assert report.discrepancies == []
        assert [totals.sum_minor for totals in report.currencies] == [0] * len(report.currencies)


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(number=1, scheduled_at=NOW)


@pytest.fixture
def run_all(engine: Engine, attempt: Attempt) -> Callable[..., list[Outcome]]:
    """`run_all(step, requests)`: one call of a step, in one transaction."""

    def run(step: AccountStep[Request], requests: list[Request]) -> list[Outcome]:
        return in_transaction(engine, lambda connection: run_step(connection, step, requests, attempt))

    return run


@pytest.fixture
def run(run_all: Callable[..., list[Outcome]]) -> Callable[..., StepRow]:
    """`run(step, request)`: the row, or the problem raised."""

    def run_one(step: AccountStep[Request], request: Request) -> StepRow:
        [outcome] = run_all(step, [request])
        if isinstance(outcome, StepProblem):
            raise outcome
        return outcome

    return run_one


@pytest.fixture
def new_transfer() -> Callable[..., TransferRequest]:
    """`new_transfer(source, destination, amount_minor, **changes)` with an id of its own."""

    def make(source: str, destination: str, amount_minor: int = 100, **changes: object) -> TransferRequest:
        fields: dict[str, object] = {
            "transfer_id": f"transfer-{next(_numbers):05}",
            "source_account": source,
            "destination_account": destination,
            "amount_minor": amount_minor,
            "currency": "EUR",
            "reference": "rent",
            "created_at": NOW,
        }
        return TransferRequest.model_validate(fields | changes)

    return make


@pytest.fixture
def abort() -> Callable[..., AbortRequest]:
    """`abort(request)`: what a compensation gets after a cancel."""

    def make(request: TransferRequest, code: FailureCode = FailureCode.CANCELLED) -> AbortRequest:
        return AbortRequest(transfer=request, failure=Failure(code=code, detail="as asked", step=Step.DEPOSIT))

    return make


@pytest.fixture
def open_account(
    engine: Engine, run: Callable[..., StepRow], new_transfer: Callable[..., TransferRequest]
) -> Callable[..., str]:
    """`open_account(balance_minor)`: a new account, its money by a real transfer from the treasury."""

    def make(balance_minor: int = 0, currency: str = "EUR") -> str:
        new = NewAccount(
            id=f"account-{next(_numbers):05}", owner="Ann", currency=currency, opening_balance_minor=balance_minor
        )
        in_transaction(engine, lambda connection: open_account_in(connection, new))
        if balance_minor:
            opening = new_transfer(treasury_of(currency), new.id, balance_minor, currency=currency)
            for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
                run(step, opening)
        return new.id

    return make


@pytest.fixture
def money_of(engine: Engine) -> Callable[[str], tuple[int, int]]:
    """`money_of(account_id)`: its balance and its held credit."""

    def read(account_id: str) -> tuple[int, int]:
        with engine.connect() as connection:
            query = text("SELECT balance_minor, held_minor FROM accounts WHERE id = :id")
            row = connection.execute(query, {"id": account_id}).one()
        return row.balance_minor, row.held_minor

    return read


def _counted_again(connection: Connection) -> list[str]:
    """Everything that isn't as the rows say, found without any of the product's SQL."""
    rows: dict[str, list[StepRow]] = {}
    for transfer_id, step, decision in connection.execute(text("SELECT transfer_id, step, decision FROM decisions")):
        row = StepRow(transfer_id=transfer_id, step=Step(step), decision=Decision(decision))
        rows.setdefault(transfer_id, []).append(row)
    transfers = connection.execute(text("SELECT * FROM transfers")).all()
    accounts = connection.execute(text("SELECT * FROM accounts")).all()
    return [*_wrong_transfers(transfers, rows), *_wrong_accounts(accounts, *_expected(transfers, rows))]


def _wrong_transfers(transfers: Sequence[Row[Any]], rows: dict[str, list[StepRow]]) -> Iterator[str]:
    for transfer in transfers:
        its_rows = rows.get(transfer.transfer_id, [])
        if not its_rows or transfer.final_status != final_status(its_rows):
            yield f"{transfer.transfer_id} is {transfer.final_status}, its rows {its_rows}"


def _expected(transfers: Sequence[Row[Any]], rows: dict[str, list[StepRow]]) -> tuple[Counter[str], Counter[str]]:
    balances: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for transfer in transfers:
        applied = {row.step for row in rows[transfer.transfer_id] if row.decision is Decision.APPLIED}
        if Step.WITHDRAW in applied:
            balances[transfer.source_account] -= transfer.amount_minor
        if Step.RELEASE in applied:
            balances[transfer.destination_account] += transfer.amount_minor
        elif Step.DEPOSIT in applied:
            held[transfer.destination_account] += transfer.amount_minor
    return balances, held


def _wrong_accounts(accounts: Sequence[Row[Any]], balances: Counter[str], held: Counter[str]) -> Iterator[str]:
    for account in accounts:
        if (account.balance_minor, account.held_minor) != (balances[account.id], held[account.id]):
            yield f"{account.id} has {account.balance_minor} and {account.held_minor}"
        if account.held_minor < 0 or (account.balance_minor < 0 and account.kind != "treasury"):
            yield f"{account.id} is below zero"
