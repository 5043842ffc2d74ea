"""What bounds the bulk lane: its order and its steps on their real databases alone, without Temporal and HTTP."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
from account_worker import batches, steps
from account_worker.account_lifecycle import open_account
from account_worker.main import MIGRATIONS as ACCOUNTS_MIGRATIONS
from account_worker.steps import AccountStep, run_step_on_stored
from benchmark.process_cpu import cpu_seconds
from benchmark.results import Results
from benchmark.step_results import StepCost, StepResults
from ledger_worker import steps as ledger_steps
from ledger_worker.demo_faults import NoFaults
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from real_servers import postgres_process
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction, migrate
from service_runtime.garbage import collect_seldom
from sqlalchemy import Engine, event, text
from transfer_contract.batches import CHUNK, BatchItem, BatchItems, BatchOrder, BatchRequests, transfer_id_in
from transfer_contract.http import NewAccount
from transfer_contract.steps import Decision

TRANSFERS: Final = 10_000
_ACCOUNTS: Final = 100
_FUNDS_MINOR: Final = 1_000_000_000


def measure_steps(folder: Path, *, rounds: int) -> StepResults:
    """Each round one batch of 10,000, in chunks, one step after the other. One batch before the first only fills."""
    collect_seldom()
    now = Results.of_now("steps")
    found = StepResults(now.taken_at, now.commit, now.machine)
    with postgres_process(folder) as admin_url:
        kinds = {True: found.costs, False: found.without_foreign_keys}
        databases = {kept: _Databases(admin_url, foreign_keys=kept) for kept in kinds}
        for number in range(rounds + 1):
            for kept, costs in kinds.items():
                measured = databases[kept].batch()
                costs.extend(measured if number else ())
    return found


class _Databases:
    """Both participants', new."""

    def __init__(self, admin_url: str, *, foreign_keys: bool) -> None:
        self._postgres = {"postgres": _server_pid(admin_url)}
        self._waited = Counter[str]()
        self._accounts = self._database(admin_url, ACCOUNTS_MIGRATIONS, foreign_keys=foreign_keys)
        self._ledger = self._database(admin_url, LEDGER_MIGRATIONS, foreign_keys=foreign_keys)
        with self._accounts.begin() as connection:
            for number in range(_ACCOUNTS):
                open_account(connection, NewAccount(id=_account(number), owner="Owner", currency="EUR"))
            connection.execute(text("UPDATE accounts SET balance_minor = :funds"), {"funds": _FUNDS_MINOR})

    def batch(self) -> list[StepCost]:
        order = BatchOrder(batch_id=str(uuid4()), transfers=[_item(number) for number in range(TRANSFERS)])
        chunks = [
            BatchItems(batch_id=order.batch_id, positions=((first, first + CHUNK - 1),))
            for first in range(1, TRANSFERS, CHUNK)
        ]
        costs: list[StepCost] = []
        with self._cost_of("order", costs):
            in_transaction(self._accounts, lambda connection: batches.store_batch(connection, order))
        for step in (steps.WITHDRAW, steps.DEPOSIT, None, steps.RELEASE):
            with self._cost_of(step.row.value if step else "record", costs):
                for chunk in chunks:
                    applied = self._on_accounts(step, chunk) if step else self._record(chunk)
                    assert applied == CHUNK, f"{applied} of a chunk"
        return costs

    def _on_accounts(self, step: AccountStep[Any], chunk: BatchItems) -> int:
        ((first, last),) = chunk.positions
        asked = [transfer_id_in(chunk.batch_id, position) for position in range(first, last + 1)]
        answers = in_transaction(
            self._accounts,
            lambda connection: run_step_on_stored(connection, step, asked, lambda stored: stored.as_asked, _attempt()),
        )
        return sum(not isinstance(row, Exception) and row.decision is Decision.APPLIED for row in answers)

    def _record(self, chunk: BatchItems) -> int:
        """With the requests, which the ledger asks account-api for."""
        with self._accounts.connect() as connection:
            requests = BatchRequests.model_validate_json(batches.requests_as_json(connection, chunk)).root
        rows = in_transaction(
            self._ledger,
            lambda connection: ledger_steps.record(connection, requests, _attempt(), NoFaults().refuse),
        )
        return sum(row.decision is Decision.APPLIED for row in rows)

    @contextmanager
    def _cost_of(self, name: str, costs: list[StepCost]) -> Iterator[None]:
        self._waited.clear()
        postgres, python, began = self._postgres_seconds(), time.process_time(), time.perf_counter()
        yield
        spent = {
            "wall": time.perf_counter() - began,
            "python": time.process_time() - python,
            "postgres": self._postgres_seconds() - postgres,
            **{f"waited_{kind}": self._waited[kind] for kind in ("lock", "load", "write")},
        }
        costs.append(StepCost(name, **{kind: seconds * 1_000_000 / TRANSFERS for kind, seconds in spent.items()}))

    def _postgres_seconds(self) -> float:
        return cpu_seconds(self._postgres)["postgres"]

    def _database(self, admin_url: str, migrations: Path, *, foreign_keys: bool) -> Engine:
        name = f"steps_{uuid4().hex}"
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        server = admin_url.replace("postgresql://", "postgresql+psycopg://").rpartition("/")[0]
        migrate(f"{server}/{name}", migrations)
        engine = create_database_engine(f"{server}/{name}", pool_size=2, by_key=True)
        if not foreign_keys:
            _drop_foreign_keys(engine)
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)
        return engine

    def _begin(
        self, _connection: object, _cursor: object, _sql: str, _given: object, context: Any, _many: object
    ) -> None:
        context.began = time.perf_counter()

    def _end(self, _connection: object, _cursor: object, sql: str, _given: object, context: Any, _many: object) -> None:
        self._waited[_kind(sql)] += time.perf_counter() - context.began


def _kind(sql: str) -> str:
    if "FOR UPDATE" in sql or ("ON CONFLICT" in sql and "WHERE FALSE" in sql):
        return "lock"
    return "write" if "INSERT INTO" in sql else "load"


def _drop_foreign_keys(engine: Engine) -> None:
    found = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"
    with engine.begin() as connection:
        for table, constraint in connection.execute(text(found)).all():
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"))


def _server_pid(admin_url: str) -> int:
    with psycopg.connect(admin_url) as connection:
        fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def _account(number: int) -> str:
    return f"acc-{number % _ACCOUNTS}"


def _item(number: int) -> BatchItem:
    source, destination = _account(number), _account(7 * number + 1)
    return BatchItem(source_account=source, destination_account=destination, amount_minor=1, currency="EUR")


def _attempt() -> Attempt:
    return Attempt(number=1, scheduled_at=datetime.now(UTC), worker="worker@machine:1")
