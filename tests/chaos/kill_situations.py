"""The situations of the kill matrix: a transfer is brought into a state, and stays there until it is let go on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from uuid import uuid4

from chaos.kill_subjects import Scene, Subject
from system.public_api import step_is
from system.row_locks import account_locked
from transfer_contract.identity import opening_transfer_id

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
async def depositing(scene: Scene) -> AsyncIterator[Subject]:
    """An attempt of its deposit waits for the destination's row, with a transaction open."""
    async with AsyncExitStack() as lock:
        subject = await scene.subject()
        row = await lock.enter_async_context(account_locked(scene.system.accounts_url, subject.destination))
        await subject.post()
        await row.until_a_transaction_waits()
        subject.go_on = lock.aclose
        yield subject


@asynccontextmanager
async def recording(scene: Scene) -> AsyncIterator[Subject]:
    """The same of its record: it is about to pass the point of no return."""
    async with AsyncExitStack() as lock:
        subject = await scene.subject()
        row = await lock.enter_async_context(account_locked(scene.system.ledger_url, subject.body["source_account"]))
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
async def parked(scene: Scene) -> AsyncIterator[Subject]:
    """Its `withdraw_compensation` fails, and waits for an operator."""
    subject = await scene.parked()
    subject.go_on = subject.retry
    yield subject


@asynccontextmanager
async def abandoned(scene: Scene) -> AsyncIterator[Subject]:
    """Its workflow is terminated in the deposit; then the late attempt applies, and the reconciler begins to search."""
    async with depositing(scene) as subject:
        unlock = subject.go_on
        await scene.terminate(subject)

        async def go_on() -> None:
            await unlock()
            await scene.start_reconciler()

        subject.go_on = go_on
        yield subject


@asynccontextmanager
async def abandoned_past_its_record(scene: Scene) -> AsyncIterator[Subject]:
    """Its workflow is terminated in the record; then the late attempt applies, past the point of no return."""
    async with recording(scene) as subject:
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
