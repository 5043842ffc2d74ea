"""After healing: every acknowledged transfer ends in time, and API, databases and Temporal say the same of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import httpx
from chaos.after_healing import CLOSES_WITHIN_SECONDS, get, result_of
from chaos.ends import Share, judge_ends, judge_rejected, judge_share
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

_ASKED_AT_ONCE: Final = 8


@dataclass
class Compared:
    """How many transfers were compared, and of how many Temporal had no result to compare with."""

    with_api: int = 0
    with_temporal: int = 0
    ended_by_operators: set[str] = field(default_factory=set)
    """Those that a fault has tried to terminate, reset or delete; who brings them to their end is open."""
    excused: int = 0
    """Answers to what was deleted before its first row: nobody knows it any more, and nothing has moved."""
    valid: Share = field(default_factory=Share)
    openings: Share = field(default_factory=Share)


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

    async def run(self, accounts_url: str, ledger_url: str, strikes: Strikes) -> Compared:
        self.strikes = strikes
        self.compared.excused = self._findings.violations.excuse(AS_PROMISED, self.is_about_forgotten)
        promises = self._findings.promises.all
        self.compared.ended_by_operators = strikes.all & {promise.transfer_id for promise in promises}
        self._judge_final(promises)
        await _each(promises, self._compare_with_api)
        await _each(promises, self.compare_with_temporal)
        judge_ends(promises, self._findings.violations)
        by_themselves = [promise for promise in promises if promise.transfer_id not in strikes.all]
        self.compared.valid = judge_share(by_themselves, Kind.VALID, self._add)
        self.compared.openings = judge_share(by_themselves, Kind.OPENING, self._add)
        judge_rejected(by_themselves, self._add)
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
                result = await result_of(self._temporal, workflow_id(promise.transfer_id))
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
                result = await result_of(self._temporal, finisher_id(promise.transfer_id))
            if result is not None:
                self._compare(promise, "the reconciler's result", result.status or "none")
                return True
        return False

    def _judge_end(self, promise: Promise, end: str, struck: set[str]) -> None:
        if promise.transfer_id not in struck:
            self._add("who wasn't struck ends with a result", f"{promise.key}: {end}", promise.transfer_id)

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


async def _each(promises: Iterable[Promise], compare: Callable[[Promise], Awaitable[None]]) -> None:
    """A few at once, however many there are."""
    left = iter(promises)

    async def some() -> None:
        for promise in left:
            await compare(promise)

    async with asyncio.TaskGroup() as comparing:
        for _ in range(_ASKED_AT_ONCE):
            comparing.create_task(some())
