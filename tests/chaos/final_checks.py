"""After healing: every acknowledged transfer ends in time, and API, databases and Temporal say the same of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Final, TypeVar

import httpx
from chaos.after_healing import CLOSES_WITHIN_SECONDS, get, result_of
from chaos.final_batches import Compared, FinalBatches, by_batch
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.patient_client import AS_PROMISED
from chaos.promises import Promise
from chaos.row_watch import RowWatch
from money_books import read_books
from money_checks import check_reconciliation, violations
from temporalio.client import Client, WorkflowFailureError
from transfer_contract.batches import batch_of
from transfer_contract.names import workflow_id
from transfer_contract.transfers import TransferResult

COMPLETED_SHARE: Final = 0.9
_ASKED_AT_ONCE: Final = 8


Each = TypeVar("Each")


class FinalChecks:
    """`rows` has just been read, and nothing moves any more."""

    def __init__(self, rows: RowWatch, api: httpx.AsyncClient, temporal: Client, findings: Findings) -> None:
        self._rows = rows
        self._api = api
        self._temporal = temporal
        self._findings = findings
        self._add = findings.violations.add
        self.compared = Compared()
        self._batches = FinalBatches(api, temporal, findings, compared=self.compared, compare=self._compare)

    async def run(
        self, accounts_url: str, ledger_url: str, *, ended_by_operators: set[str], deleted: set[str]
    ) -> Compared:
        struck = ended_by_operators | deleted
        self.compared.ended_by_operators |= {p.transfer_id for p in self._findings.promises.all if _is_one(p, struck)}
        self.compared.forgotten = deleted - self._rows.transfers.keys() - self._rows.records.keys()
        self._findings.violations.excuse(AS_PROMISED, deleted)
        promises = [p for p in self._findings.promises.all if p.transfer_id not in self.compared.forgotten]
        self._judge_ends(promises)
        batches, single = by_batch(promises)
        await _each(single, self._compare_with_api)
        await _each(batches, self._batches.compare_with_api)
        await _each(single, self._compare_with_temporal)
        await _each(batches, self._batches.compare_with_temporal)
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
        answer = await get(self._api, f"/transfers/{promise.transfer_id}")
        if answer is None or answer.status_code != 200:
            detail = f"{promise.key}: {answer.status_code if answer else 'no answer'}"
            self._add("the API answers every acknowledged transfer", detail, promise.transfer_id)
            return
        told = answer.json()
        self._findings.promises.told(told, self._findings.journal.now, asked_at=asked_at)
        self._compare(promise, "the API", told["status"])
        self.compared.with_api += 1

    async def _compare_with_temporal(self, promise: Promise) -> None:
        try:
            async with asyncio.timeout(CLOSES_WITHIN_SECONDS):
                result = await result_of(self._temporal, workflow_id(promise.transfer_id), TransferResult)
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
        answer = await get(self._api, "/reconciliation")
        try:
            assert answer is not None
            check_reconciliation(answer.json(), books)
        except (AssertionError, KeyError, ValueError) as error:
            told = answer.text[:2000] if answer else "no answer"
            self._add("the product's own reconciliation is that of the books", f"{error}: {told}")


def _is_one(promise: Promise, struck: AbstractSet[str]) -> bool:
    """Of the transfers that were struck, or of a batch that was."""
    return promise.transfer_id in struck or batch_of(promise.transfer_id) in struck


async def _each(all_of_them: Iterable[Each], compare: Callable[[Each], Awaitable[None]]) -> None:
    """A few at once, however many there are."""
    left = iter(all_of_them)

    async def some() -> None:
        for each in left:
            await compare(each)

    async with asyncio.TaskGroup() as comparing:
        for _ in range(_ASKED_AT_ONCE):
            comparing.create_task(some())
