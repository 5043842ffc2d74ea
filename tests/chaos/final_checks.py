"""After healing: every acknowledged transfer ends in time, and API, databases and Temporal say the same of it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx
from chaos.batch_load import PAGE
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.patient_client import AS_PROMISED
from chaos.promises import Json, Promise
from chaos.row_watch import RowWatch
from money_books import read_books
from money_checks import check_reconciliation, violations
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.batches import Batch, batch_of
from transfer_contract.names import batch_workflow_id, workflow_id
from transfer_contract.transfers import TransferResult

COMPLETED_SHARE: Final = 0.9
_ASKED_AT_ONCE: Final = 8
_ATTEMPTS: Final = 10
_CLOSES_WITHIN_SECONDS: Final = 15
"""What is final has a workflow that is at its last task, or one that an operator has ended."""


Each = TypeVar("Each")
Result = TypeVar("Result", Batch, TransferResult)


@dataclass(frozen=True)
class BatchPromises:
    """A batch's transfers, in its order."""

    batch_id: str
    promises: tuple[Promise, ...]


@dataclass
class Compared:
    """How many transfers were compared, and of how many Temporal had no result to compare with.

    `batches`: of how many it had one.
    """

    with_api: int = 0
    with_temporal: int = 0
    ended_by_operators: set[str] = field(default_factory=set)
    """Terminated, reset or deleted; the reconciler, or the new run of a reset, has brought them to their end."""
    forgotten: set[str] = field(default_factory=set)
    """Deleted before their first row: nobody knows them any more, and nothing has moved."""
    batches: int = 0
    valid: int = 0
    valid_completed: int = 0

    @property
    def completed_share(self) -> float:
        return self.valid_completed / self.valid if self.valid else 0.0


class FinalChecks:
    """`rows` has just been read, and nothing moves any more."""

    def __init__(self, rows: RowWatch, api: httpx.AsyncClient, temporal: Client, findings: Findings) -> None:
        self._rows = rows
        self._api = api
        self._temporal = temporal
        self._findings = findings
        self._add = findings.violations.add
        self.compared = Compared()

    async def run(
        self, accounts_url: str, ledger_url: str, *, ended_by_operators: set[str], deleted: set[str]
    ) -> Compared:
        struck = ended_by_operators | deleted
        self.compared.ended_by_operators |= {p.transfer_id for p in self._findings.promises.all if _is_one(p, struck)}
        self.compared.forgotten = deleted - self._rows.transfers.keys() - self._rows.records.keys()
        self._findings.violations.excuse(AS_PROMISED, deleted)
        promises = [p for p in self._findings.promises.all if p.transfer_id not in self.compared.forgotten]
        self._judge_ends(promises)
        batches, single = _by_batch(promises)
        await _each(single, self._compare_with_api)
        await _each(batches, self._compare_batch_with_api)
        await _each(single, self._compare_with_temporal)
        await _each(batches, self._compare_batch_with_temporal)
        self._judge_completed(promises)
        await self._judge_books(accounts_url, ledger_url)
        return self.compared

    def _judge_ends(self, promises: Iterable[Promise]) -> None:
        for promise in promises:
            rows = self._rows.transfers.get(promise.transfer_id)
            if rows is None or not rows.status:
                detail = f"{promise.key} was acknowledged and isn't final: {rows}"
                self._add("every acknowledged transfer is final 120 s after healing", detail, promise.transfer_id)
        for rows in self._rows.not_final:
            self._add("every transfer with rows is final 120 s after healing", str(rows), rows.transfer_id)

    async def _compare_with_api(self, promise: Promise) -> None:
        asked_at = self._findings.journal.now
        answer = await self._get(f"/transfers/{promise.transfer_id}")
        if answer is None or answer.status_code != 200:
            detail = f"{promise.key}: {answer.status_code if answer else 'no answer'}"
            self._add("the API answers every acknowledged transfer", detail, promise.transfer_id)
            return
        told = answer.json()
        self._findings.promises.told(told, self._findings.journal.now, asked_at=asked_at)
        self._compare(promise, "the API", told["status"])
        self.compared.with_api += 1

    async def _compare_batch_with_api(self, batch: BatchPromises) -> None:
        """Page by page: each of its transfers in its place."""
        told: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            asked_at = self._findings.journal.now
            path = f"/transfer-batches/{batch.batch_id}/transfers?limit={PAGE}"
            answer = await self._get(f"{path}&cursor={cursor}" if cursor else path)
            if answer is None or answer.status_code != 200:
                break
            for transfer in answer.json()["items"]:
                self._findings.promises.told(transfer, self._findings.journal.now, asked_at=asked_at)
                told.append(transfer)
            cursor = answer.json()["next_cursor"]
        if [transfer["id"] for transfer in told] != [promise.transfer_id for promise in batch.promises]:
            detail = f"{batch.batch_id}: {len(told)} of {len(batch.promises)} in their order"
            self._add("the API answers every acknowledged transfer", detail, batch.promises[0].transfer_id)
            return
        for promise, transfer in zip(batch.promises, told, strict=True):
            self._compare(promise, "the API", transfer["status"])
        self.compared.with_api += len(told)

    async def _compare_batch_with_temporal(self, batch: BatchPromises) -> None:
        """Its result says nothing of its transfers: only that all of them are final."""
        try:
            async with asyncio.timeout(_CLOSES_WITHIN_SECONDS):
                result = await self._result(batch_workflow_id(batch.batch_id), Batch)
        except TimeoutError:
            detail = f"{batch.batch_id} is still open"
            self._add("a workflow closes with its transfer", detail, batch.promises[0].transfer_id)
        except WorkflowFailureError:
            result = None
        else:
            self.compared.batches += 1
        if result is None:
            self.compared.ended_by_operators |= {promise.transfer_id for promise in batch.promises}

    async def _compare_with_temporal(self, promise: Promise) -> None:
        try:
            async with asyncio.timeout(_CLOSES_WITHIN_SECONDS):
                result = await self._result(workflow_id(promise.transfer_id), TransferResult)
        except WorkflowFailureError:
            self.compared.ended_by_operators.add(promise.transfer_id)
        except TimeoutError:
            self._add("a workflow closes with its transfer", f"{promise.key} is still open", promise.transfer_id)
        else:
            if result is None:
                self.compared.ended_by_operators.add(promise.transfer_id)
                return
            self._compare(promise, "the workflow's result", result.status or "none")
            self.compared.with_temporal += 1

    async def _result(self, workflow: str, kind: type[Result]) -> Result | None:
        """None where the workflow is no longer there; asked again where Temporal doesn't answer."""
        run = self._temporal.get_workflow_handle(workflow, result_type=kind)
        while True:
            try:
                result: Result = await run.result()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
            else:
                return result
            await asyncio.sleep(1)

    def _compare(self, promise: Promise, source: str, status: str) -> None:
        """What isn't final is said by another check, and may have become so meanwhile."""
        rows = self._rows.transfers.get(promise.transfer_id)
        if rows is not None and rows.status and rows.status != status:
            detail = f"{promise.key}: {source} says {status}, the rows are {rows}"
            self._add("API, databases and Temporal say the same", detail, promise.transfer_id)

    def _judge_completed(self, promises: Iterable[Promise]) -> None:
        """Valid: a payment that could be made, that its client didn't cancel and no operator has ended."""
        valid = [
            promise
            for promise in promises
            if promise.kind is Kind.VALID and promise.transfer_id not in self.compared.ended_by_operators
        ]
        completed = [promise for promise in valid if promise.status == "completed"]
        self.compared.valid, self.compared.valid_completed = len(valid), len(completed)
        if len(completed) < COMPLETED_SHARE * len(valid):
            self._add("at least 90 % of the valid transfers complete", f"{len(completed)} of {len(valid)}")

    async def _judge_books(self, accounts_url: str, ledger_url: str) -> None:
        """All of both databases by the tests' own oracle, and the product's reconciliation against the same books."""
        books = await asyncio.to_thread(read_books, accounts_url, ledger_url)
        for wrong in await asyncio.to_thread(violations, books, openings_may_be_undone=True):
            self._add("the books are right", wrong)
        answer = await self._get("/reconciliation")
        try:
            assert answer is not None
            check_reconciliation(answer.json(), books)
        except (AssertionError, KeyError, ValueError) as error:
            told = answer.text[:2000] if answer else "no answer"
            self._add("the product's own reconciliation is that of the books", f"{error}: {told}")

    async def _get(self, path: str) -> httpx.Response | None:
        """None where it isn't answered although everything runs."""
        for _ in range(_ATTEMPTS):
            try:
                answer = await self._api.get(path)
            except httpx.HTTPError:
                pass
            else:
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(1)
        return None


def _is_one(promise: Promise, struck: AbstractSet[str]) -> bool:
    """Of the transfers that were struck, or of a batch that was."""
    return promise.transfer_id in struck or batch_of(promise.transfer_id) in struck


def _by_batch(promises: Iterable[Promise]) -> tuple[list[BatchPromises], list[Promise]]:
    """Batches, and transfers of none."""
    found: defaultdict[str | None, list[Promise]] = defaultdict(list)
    for promise in sorted(promises, key=lambda promise: promise.transfer_id):
        found[batch_of(promise.transfer_id)].append(promise)
    single = found.pop(None, [])
    return [BatchPromises(each, tuple(of_it)) for each, of_it in found.items() if each], single


async def _each(all_of_them: Iterable[Each], compare: Callable[[Each], Awaitable[None]]) -> None:
    """A few at once, however many there are."""
    left = iter(all_of_them)

    async def some() -> None:
        for each in left:
            await compare(each)

    async with asyncio.TaskGroup() as comparing:
        for _ in range(_ASKED_AT_ONCE):
            comparing.create_task(some())
