"""The situations of the kill matrix: a transfer is brought into a state, and stays there until it is let go on.

It is a transfer of its own, or the one that is wanted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from chaos.kill_subjects import Scene, Subject
from ledger_worker import steps as ledger_steps
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction
from system.lost_workflows import is_known
from system.public_api import step_is
from system.row_locks import account_locked
from transfer_contract.identity import opening_transfer_id
from transfer_contract.names import finisher_id
from transfer_contract.steps import Failure, FailureCode
from transfer_contract.transfers import AbortRequest, TransferRequest

Situation = Callable[[Scene], AbstractAsyncContextManager[Subject]]


def new(**fields: str) -> Situation:
    """Nothing has been asked for yet."""

    @asynccontextmanager
    async def situation(scene: Scene) -> AsyncIterator[Subject]:
        subject = await scene.subject(**fields)
        subject.go_on = subject.post
        yield subject

    return situation


@asynccontextmanager
async def new_account(scene: Scene) -> AsyncIterator[Subject]:
    """An account that isn't there yet, and the transfer that is to bring its opening balance."""
    account = f"account-{uuid4().hex[:12]}"
    body = {"id": account, "owner": "Somebody", "currency": "EUR", "opening_balance": "100.00"}
    money = {"completed": {account: ("100.00", "0.00")}}
    subject = Subject(scene.system.api.http, opening_transfer_id(account), body, money, path="/accounts")
    subject.go_on = subject.post
    yield subject


@asynccontextmanager
async def depositing(scene: Scene, wanted: Subject | None = None) -> AsyncIterator[Subject]:
    """An attempt of its deposit waits for the destination's row, with a transaction open."""
    async with AsyncExitStack() as lock:
        subject = wanted or await scene.subject()
        row = await lock.enter_async_context(account_locked(scene.system.accounts_url, subject.destination))
        await subject.post()
        await row.until_a_transaction_waits()
        subject.go_on = lock.aclose
        yield subject


@asynccontextmanager
async def recording(scene: Scene, wanted: Subject | None = None) -> AsyncIterator[Subject]:
    """The same of its record: it is about to pass the point of no return."""
    async with AsyncExitStack() as lock:
        subject = wanted or await scene.subject()
        row = await lock.enter_async_context(account_locked(scene.system.ledger_url, subject.source))
        await subject.post()
        await row.until_a_transaction_waits()
        subject.go_on = lock.aclose
        yield subject


@asynccontextmanager
async def compensating(scene: Scene) -> AsyncIterator[Subject]:
    """Cancelled in its deposit, behind whose open transaction `deposit_compensation` waits."""
    async with depositing(scene) as subject:
        await subject.cancel()
        await scene.system.api.until(subject.transfer_id, step_is("deposit_compensation", "running"))
        yield subject


@asynccontextmanager
async def abandoned(scene: Scene, wanted: Subject | None = None) -> AsyncIterator[Subject]:
    """Its workflow is terminated in the deposit; then the late attempt applies, and the reconciler begins to search."""
    async with depositing(scene, wanted) as subject:
        unlock = subject.go_on
        await scene.terminate(subject)

        async def go_on() -> None:
            await unlock()
            await scene.start_reconciler()

        subject.go_on = go_on
        yield subject


@asynccontextmanager
async def abandoned_past_its_record(scene: Scene, wanted: Subject | None = None) -> AsyncIterator[Subject]:
    """Its workflow is terminated in the record; then the late attempt applies, past the point of no return."""
    async with recording(scene, wanted) as subject:
        await scene.terminate(subject)
        await subject.go_on()
        subject.go_on = scene.start_reconciler
        yield subject


@asynccontextmanager
async def reconciling(scene: Scene) -> AsyncIterator[Subject]:
    """The reconciler has shut its door; `deposit_compensation` waits behind the late attempt's open transaction."""
    async with depositing(scene) as subject:
        await scene.terminate(subject)
        await scene.start_reconciler()
        await scene.until_taken_over(subject)
        await scene.system.api.until(subject.transfer_id, step_is("deposit_compensation", "running"))
        yield subject


@asynccontextmanager
async def forgotten(scene: Scene) -> AsyncIterator[Subject]:
    """Its door is shut, it has no other row, and Temporal knows nothing of it: only ledger-api's list shows it."""
    subject = await scene.subject()
    await asyncio.to_thread(_shut_the_door, scene.system.ledger_url, subject)

    async def go_on() -> None:
        """One run after the other, as by the schedule: one does without the list where ledger-api is away."""
        while not await is_known(scene.temporal, finisher_id(subject.transfer_id)):
            await (await scene.start_reconciler()).result()

    subject.go_on = go_on
    yield subject


def _shut_the_door(ledger_url: str, subject: Subject) -> None:
    now = datetime.now(UTC)
    transfer = TransferRequest(
        transfer_id=subject.transfer_id,
        source_account=subject.body["source_account"],
        destination_account=subject.destination,
        amount_minor=100,
        currency="EUR",
        created_at=now,
    )
    request = AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.INTERRUPTED, detail="by the test"))
    attempt = Attempt(number=1, scheduled_at=now)
    engine = create_database_engine(ledger_url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1)
    in_transaction(engine, lambda connection: ledger_steps.record_compensation(connection, [request], attempt))
    engine.dispose()
