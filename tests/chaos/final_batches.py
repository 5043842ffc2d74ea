"""After healing: every acknowledged transfer of a batch is told in its place, and the batch's workflow has closed."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import httpx
from chaos.after_healing import CLOSES_WITHIN_SECONDS, get, result_of
from chaos.batch_load import PAGE
from chaos.ends import Share
from chaos.findings import Findings
from chaos.promises import Json, Promise
from chaos.strikes import Strikes
from temporalio.client import Client, WorkflowFailureError
from transfer_contract.batches import Batch, batch_of
from transfer_contract.names import batch_workflow_id

ENDS_BY_ITSELF: Final = "who wasn't struck ends with a result"


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
    batches: int = 0
    ended_by_operators: set[str] = field(default_factory=set)
    """Those that a fault has tried to terminate, reset or delete, by itself or with their batch; who brings them to
    their end is open."""
    excused: int = 0
    """Answers to what was deleted before its first row: nobody knows it any more, and nothing has moved."""
    valid: Share = field(default_factory=Share)
    openings: Share = field(default_factory=Share)


class FinalBatches:
    """`compare` says where the rows say something else than a source: (promise, source, status)."""

    def __init__(
        self,
        api: httpx.AsyncClient,
        temporal: Client,
        findings: Findings,
        *,
        compared: Compared,
        compare: Callable[[Promise, str, str], None],
    ) -> None:
        self._api = api
        self._temporal = temporal
        self._findings = findings
        self._add = findings.violations.add
        self._compared = compared
        self._compare = compare

    async def compare_with_api(self, batch: BatchPromises) -> None:
        """Page by page: each of its transfers in its place."""
        told: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            asked_at = self._findings.journal.now
            path = f"/transfer-batches/{batch.batch_id}/transfers?limit={PAGE}"
            answer = await get(self._api, f"{path}&cursor={cursor}" if cursor else path, self._findings.violations)
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
            self._findings.promises.judge_request(promise, transfer)
            self._compare(promise, "the API", transfer["status"])
        self._compared.with_api += len(told)

    async def compare_with_temporal(self, batch: BatchPromises, strikes: Strikes) -> None:
        """Its result says nothing of its transfers: only that all of them are final."""
        try:
            async with asyncio.timeout(CLOSES_WITHIN_SECONDS):
                result = await result_of(self._temporal, batch_workflow_id(batch.batch_id), Batch)
        except WorkflowFailureError as error:
            self._judge_end(batch, f"{error.cause!r}", strikes.all)
        except TimeoutError:
            detail = f"{batch.batch_id} is still open"
            self._add("a workflow closes with its transfer", detail, batch.promises[0].transfer_id)
        else:
            if result is None:
                self._judge_end(batch, "it is gone", strikes.deleted)
                return
            self._compared.batches += 1

    def _judge_end(self, batch: BatchPromises, end: str, struck: set[str]) -> None:
        if batch.batch_id not in struck:
            self._add(ENDS_BY_ITSELF, f"{batch.batch_id}: {end}", batch.promises[0].transfer_id)


def by_batch(promises: Iterable[Promise]) -> tuple[list[BatchPromises], list[Promise]]:
    """Batches, and transfers of none."""
    found: defaultdict[str | None, list[Promise]] = defaultdict(list)
    for promise in sorted(promises, key=lambda promise: promise.transfer_id):
        found[batch_of(promise.transfer_id)].append(promise)
    single = found.pop(None, [])
    return [BatchPromises(each, tuple(of_it)) for each, of_it in found.items() if each], single
