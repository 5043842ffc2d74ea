"""The whole saga in one process: the product's own workers on a real Temporal server and real databases.

Nothing repairs what a workflow leaves behind: the reconciler runs only where a test has it run. So a workflow that
closes too early shows, though all sums would be right again a moment later.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import uuid4

from account_worker import steps as account_steps
from account_worker.account_lifecycle import close_account, open_account
from ledger_worker import steps as ledger_steps
from money_books import Transfer, read_books
from money_checks import check_everything_is_final, check_money
from saga.fake_participants import Faults, Name
from saga.harness import Handle, new_request
from saga.reconciling import AT_ONCE
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Connection, Engine
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from transfer_contract.http import NewAccount, TransferStarted
from transfer_contract.identity import opening_transfer_id, transfer_id_from_key, treasury_of
from transfer_contract.names import TaskQueue, finisher_id, workflow_id
from transfer_contract.reconciler import TakenOver
from transfer_contract.steps import FinalStatus
from transfer_contract.transfers import Scenario, TransferMemo, TransferOrder, TransferRequest, TransferResult
from workflow_handler.policies import Timings
from workflow_handler.reconcile_transfers import ReconcileTransfers
from workflow_handler.rows import Rows
from workflow_handler.transfer_money import TransferMoney
from workflow_handler.transfers import Transfers

PATIENT: Final = Timings(start_to_close_seconds=60, first_retry_seconds=0.01, longest_retry_seconds=0.02)
"""A step that is under way stays so until its test lets it go, also on a busy machine."""

BALANCE: Final = 1000
AMOUNT: Final = 250
NOTHING_MOVED: Final = (BALANCE, 0)
MOVED: Final = (BALANCE - AMOUNT, AMOUNT)
"""What alice and bob can spend."""

ENDS_WITHIN_SECONDS: Final = 30
"""A transfer takes a fraction of one second."""

_FAILED: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE


class Databases(NamedTuple):
    accounts: Engine
    ledger: Engine

    @property
    def urls(self) -> tuple[str, str]:
        accounts, ledger = (engine.url.render_as_string(hide_password=False) for engine in self)
        return accounts, ledger


@dataclass
class WholeSaga:
    """`start` is what `POST /transfers` does. `alice` and `bob` are accounts of this test's own."""

    client: Client
    databases: Databases
    rows: Rows
    faults: Faults = field(default_factory=Faults)
    timings: Timings = PATIENT
    ended: dict[str, FinalStatus] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)
    _name: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def alice(self) -> str:
        return f"alice-{self._name}"

    @property
    def bob(self) -> str:
        return f"bob-{self._name}"

    def order(
        self,
        key: str = "key",
        *,
        amount_minor: int = AMOUNT,
        destination: str | None = None,
        scenario: Scenario | None = None,
    ) -> TransferOrder:
        return TransferOrder(
            transfer_id=transfer_id_from_key(f"{self._name}-{key}"),
            source_account=self.alice,
            destination_account=destination or self.bob,
            amount_minor=amount_minor,
            currency="EUR",
            scenario=scenario,
        )

    async def start(self, order: TransferOrder) -> TransferStarted:
        self._started.add(order.transfer_id)
        return await Transfers(self.client, self.rows, self.timings).start(order)

    async def run_again(self, order: TransferOrder) -> None:
        """As a `POST` does that Temporal has no memory for and that has read the rows too early to find them."""
        request = TransferRequest(**order.model_dump(), created_at=new_request().created_at)
        await self.client.start_workflow(
            TransferMoney.run,
            args=[request, self.timings],
            id=workflow_id(order.transfer_id),
            task_queue=TaskQueue.TRANSFERS,
            memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
        )

    def workflow(self, order: TransferOrder) -> Handle:
        return self.client.get_workflow_handle(workflow_id(order.transfer_id), result_type=TransferResult)

    async def is_under_way(self, name: Name) -> None:
        """Waits for the first attempt of a step for which the fault `WAITS` is planned."""
        assert await asyncio.to_thread(self.faults.waiting[name].wait, ENDS_WITHIN_SECONDS), f"nobody asked for {name}"

    async def transfer(self, order: TransferOrder) -> FinalStatus:
        await self.start(order)
        return await self.end(order)

    async def end(self, order: TransferOrder) -> FinalStatus:
        """Waits until its workflow has closed in whatever way: then its rows are final, and it tells what they say."""
        told: FinalStatus | None = None
        try:
            async with asyncio.timeout(ENDS_WITHIN_SECONDS):
                await self._has_closed(order)
                with contextlib.suppress(WorkflowFailureError):
                    told = (await self.workflow(order).result()).status
        except TimeoutError:
            raise AssertionError(f"not at its end after {ENDS_WITHIN_SECONDS} s: {self.transfer_rows(order)}") from None
        rows = self.transfer_rows(order)
        assert rows is not None, "its workflow has closed, and it has no rows"
        assert rows.final_status is not None, f"its workflow has closed while its rows aren't final: {rows}"
        assert told == rows.final_status, f"its workflow tells {told}: {rows}"
        assert self.ended.setdefault(order.transfer_id, told) is told, f"it was final, and changed: {rows}"
        return told

    async def _has_closed(self, order: TransferOrder) -> None:
        """Not waited for where its own code has failed: it would again, and stay open."""
        async for event in self.workflow(order).fetch_history_events(wait_new_event=True):
            failed = event.workflow_task_failed_event_attributes
            if failed.cause == _FAILED:
                raise AssertionError(f"it can't go on from {self.transfer_rows(order)}: {failed.failure.message}")

    def transfer_rows(self, order: TransferOrder) -> Transfer | None:
        return read_books(*self.databases.urls).transfers.get(order.transfer_id)

    def check_money(self) -> None:
        check_money(*self.databases.urls)

    def balances(self) -> tuple[int, int]:
        """What alice and bob can spend."""
        accounts = read_books(*self.databases.urls).accounts
        return accounts[self.alice].balance_minor, accounts[self.bob].balance_minor

    def check_end(self) -> None:
        """With every late attempt arrived: everything is final, right, and as it was when it first was final."""
        books = check_money(*self.databases.urls)
        check_everything_is_final(books)
        assert {each: books.transfers[each].final_status for each in self.ended} == self.ended

    async def reconciled(self, order: TransferOrder) -> TakenOver:
        """The reconciler is run until one of its runs takes the transfer over: Temporal's list is a moment late."""
        told: list[TakenOver] = []
        async with asyncio.timeout(2 * ENDS_WITHIN_SECONDS):
            while not told:
                report = await self.client.execute_workflow(
                    ReconcileTransfers.run, AT_ONCE, id=f"reconcile-{uuid4()}", task_queue=TaskQueue.TRANSFERS
                )
                told = [each for each in report.taken_over if each.transfer_id == order.transfer_id]
        rows = self.transfer_rows(order)
        assert rows is not None
        assert rows.final_status == told[0].status is not None, f"the reconciler tells {told[0]}: {rows}"
        self.ended[order.transfer_id] = told[0].status
        return told[0]

    def close(self, account_id: str) -> None:
        in_transaction(self.databases.accounts, lambda connection: close_account(connection, account_id))

    def open_accounts(self) -> None:
        """Alice's money comes by a whole transfer from the treasury, as all money does."""
        opening = TransferRequest(
            transfer_id=opening_transfer_id(self.alice),
            source_account=treasury_of("EUR"),
            destination_account=self.alice,
            amount_minor=BALANCE,
            currency="EUR",
            created_at=new_request().created_at,
        )
        attempt = Attempt(number=1, scheduled_at=opening.created_at)

        def give(connection: Connection) -> None:
            for account_id, balance in ((self.alice, BALANCE), (self.bob, 0)):
                new = NewAccount(id=account_id, owner="Ann", currency="EUR", opening_balance_minor=balance)
                open_account(connection, new)
            account_steps.run_step(connection, account_steps.WITHDRAW, [opening], attempt)
            account_steps.run_step(connection, account_steps.DEPOSIT, [opening], attempt)

        in_transaction(self.databases.accounts, give)
        in_transaction(self.databases.ledger, lambda c: ledger_steps.record(c, [opening], attempt, lambda _: None))
        in_transaction(
            self.databases.accounts, lambda c: account_steps.run_step(c, account_steps.RELEASE, [opening], attempt)
        )

    async def terminate_what_is_left(self) -> None:
        """By a test that failed."""
        for transfer_id in self._started:
            for workflow in (workflow_id(transfer_id), finisher_id(transfer_id)):
                with contextlib.suppress(RPCError):  # it has ended
                    await self.client.get_workflow_handle(workflow).terminate()
