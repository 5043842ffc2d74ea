"""After healing: every acknowledged transfer ends in time, and API, databases and Temporal say the same of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import httpx
from chaos.after_healing import CLOSES_WITHIN_SECONDS, get, result_of
from chaos.ends import judge_ends, judge_rejected, judge_share
from chaos.final_batches import ENDS_BY_ITSELF, Compared, FinalBatches, by_batch
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.patient_client import AS_PROMISED
from chaos.promises import Promise
from chaos.row_watch import RowWatch
from chaos.strikes import Strikes
from chaos.violations import Violation
from money_books import read_books
from money_checks import check_reconciliation, violations
from temporalio.client import Client, WorkflowFailureError
from transfer_contract.names import finisher_id, workflow_id
from transfer_contract.transfers import TransferResult

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
        self.strikes = Strikes()
        self.compared = Compared()
        self._batches = FinalBatches(api, temporal, findings, compared=self.compared, compare=self._compare)

    async def run(self, accounts_url: str, ledger_url: str, strikes: Strikes) -> Compared:
        self.strikes = strikes
        self.compared.excused = self._findings.violations.excuse(AS_PROMISED, self.is_about_forgotten)
        promises = self._findings.promises.all
        self._judge_final(promises)
        batches, single = by_batch(promises)
        await _each(single, self._compare_with_api)
        await _each(batches, self._batches.compare_with_api)
        await _each(single, self.compare_with_temporal)
        await _each(batches, lambda batch: self._batches.compare_with_temporal(batch, strikes))
        judge_ends(promises, self._findings.violations)
        self._judge_shares(promises)
        await self._judge_books(accounts_url, ledger_url)
        return self.compared

    def is_about_forgotten(self, found: Violation) -> bool:
        """As long as nobody has seen a row of it, a deleted transfer may be unknown, or be asked for anew."""
        if found.transfer_id not in self.strikes.deleted:
            return False
        seen_at = self._rows.seen_at.get(found.transfer_id or "")
        return seen_at is None or found.asked_at < seen_at

    def _judge_final(self, promises: Iterable[Promise]) -> None:
        for promise in promises:
            rows = self._rows.transfers.get(promise.transfer_id)
            if rows is None or not rows.status:
                detail = f"{promise.key} was acknowledged and isn't final: {rows}"
                self._add("every acknowledged transfer is final 120 s after healing", detail, promise.transfer_id)
        for rows in self._rows.not_final:
            self._add("every transfer with rows is final 120 s after healing", str(rows), rows.transfer_id)

    async def _compare_with_api(self, promise: Promise) -> None:
        asked_at = self._findings.journal.now
        answer = await get(self._api, f"/transfers/{promise.transfer_id}", self._findings.violations)
        if answer is None or answer.status_code != 200:
            detail = f"{promise.key}: {answer.status_code if answer else 'no answer'}"
            self._add("the API answers every acknowledged transfer", detail, promise.transfer_id)
            return
        told = answer.json()
        self._findings.promises.judge_request(promise, told)
        self._findings.promises.told(told, self._findings.journal.now, asked_at=asked_at)
        self._compare(promise, "the API", told["status"])
        self.compared.with_api += 1

    async def compare_with_temporal(self, promise: Promise) -> None:
        """Its own workflow's result, and the reconciler's, if that has finished it."""
        compared = await self._compare_with_workflow(promise)
        compared |= await self._compare_with_finisher(promise)
        self.compared.with_temporal += compared

    async def _compare_with_workflow(self, promise: Promise) -> bool:
        """Whether it has a result."""
        try:
            async with asyncio.timeout(CLOSES_WITHIN_SECONDS):
                result = await result_of(self._temporal, workflow_id(promise.transfer_id), TransferResult)
        except WorkflowFailureError as error:
            self._judge_end(promise, f"{error.cause!r}", self.strikes.all)
        except TimeoutError:
            self._add("a workflow closes with its transfer", f"{promise.key} is still open", promise.transfer_id)
        else:
            if result is not None:
                self._compare(promise, "the workflow's result", result.status or "none")
                return True
            self._judge_end(promise, "it is gone", self.strikes.deleted)
        return False

    async def _compare_with_finisher(self, promise: Promise) -> bool:
        """Whether it has a result. One that waits for its next attempt says nothing, and one that failed is said."""
        with contextlib.suppress(TimeoutError, WorkflowFailureError):
            async with asyncio.timeout(CLOSES_WITHIN_SECONDS):
                result = await result_of(self._temporal, finisher_id(promise.transfer_id), TransferResult)
            if result is not None:
                self._compare(promise, "the reconciler's result", result.status or "none")
                return True
        return False

    def _judge_end(self, promise: Promise, end: str, struck: set[str]) -> None:
        if promise.transfer_id not in struck:
            self._add(ENDS_BY_ITSELF, f"{promise.key}: {end}", promise.transfer_id)

    def _judge_shares(self, promises: Sequence[Promise]) -> None:
        """Of those that no operator may have ended."""
        by_themselves = [promise for promise in promises if not self.strikes.may_have_ended(promise.transfer_id)]
        ended = {promise.transfer_id for promise in promises} - {promise.transfer_id for promise in by_themselves}
        self.compared.ended_by_operators = ended
        self.compared.valid = judge_share(by_themselves, Kind.VALID, self._add)
        self.compared.openings = judge_share(by_themselves, Kind.OPENING, self._add)
        judge_rejected(by_themselves, self._add)

    def _compare(self, promise: Promise, source: str, status: str) -> None:
        """What isn't final is said by another check, and may have become so meanwhile."""
        rows = self._rows.transfers.get(promise.transfer_id)
        if rows is not None and rows.status and rows.status != status:
            detail = f"{promise.key}: {source} says {status}, the rows are {rows}"
            self._add("API, databases and Temporal say the same", detail, promise.transfer_id)

    async def _judge_books(self, accounts_url: str, ledger_url: str) -> None:
        """All of both databases by the tests' own oracle, and the product's reconciliation against the same books."""
        books = await asyncio.to_thread(read_books, accounts_url, ledger_url)
        for wrong in await asyncio.to_thread(violations, books, openings_may_be_undone=True):
            self._add("the books are right", wrong)
        answer = await get(self._api, "/reconciliation", self._findings.violations)
        try:
            assert answer is not None
            check_reconciliation(answer.json(), books)
        except (AssertionError, KeyError, ValueError) as error:
            told = answer.text[:2000] if answer else "no answer"
            self._add("the product's own reconciliation is that of the books", f"{error}: {told}")


async def _each(all_of_them: Iterable[Each], compare: Callable[[Each], Awaitable[None]]) -> None:
    """A few at once, however many there are."""
    left = iter(all_of_them)

    async def some() -> None:
        for each in left:
            await compare(each)

    async with asyncio.TaskGroup() as comparing:
        for _ in range(_ASKED_AT_ONCE):
            comparing.create_task(some())
