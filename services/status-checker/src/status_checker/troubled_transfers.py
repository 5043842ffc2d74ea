"""Which transfers may need an operator: candidates by Temporal's visibility and by the rows, a bounded number each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from service_runtime.temporal import ask_temporal
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.names import FINISH_TRANSFER, TRANSFER_MONEY, TRANSFER_STATUS
from transfer_contract.transfers import TransferMemo, TransferStatus

from status_checker.participants import Participants
from status_checker.troubled_batches import TroubledBatches

EXAMINED: Final = 50
"""Of each of the three sources, each time: every one costs a description by Temporal."""

PAGE_SIZE: Final = 200
"""Of open runs that are troubled by what visibility says. What is beyond is only counted."""

TIMEOUT_SECONDS: Final = 5.0
"""Nobody waits for it."""

_OPEN: Final = f"WorkflowType IN ('{TRANSFER_MONEY}', '{FINISH_TRANSFER}') AND ExecutionStatus = 'Running'"
_ABORTING: Final = f"{TRANSFER_STATUS.name} IS NOT NULL"
_PARKED: Final = f"{TRANSFER_STATUS.name} = '{TransferStatus.NEEDS_ATTENTION}'"
_REPORTED: Final = "TemporalReportedProblems IS NOT NULL"


@dataclass(frozen=True)
class Candidates:
    """`unexamined`: how many more there may be; `parked` of them say that they are. `oldest`: that isn't final."""

    transfer_ids: tuple[str, ...]
    unexamined: int = 0
    unexamined_parked: int = 0
    oldest: datetime | None = None


class TroubledTransfers:
    """Transfers younger than `grace_seconds` are left out: they are on their way, and can be neither parked nor stuck.

    Visibility lags and may miss a parked one whose workflow worker is away; the oldest ones by their rows are
    candidates whatever visibility says. Transfers of batches are found by what carries their batch.
    """

    def __init__(
        self, client: Client, participants: Participants, batches: TroubledBatches, *, grace_seconds: float
    ) -> None:
        self._client = client
        self._batches = batches
        self._participants = participants
        self._grace = timedelta(seconds=grace_seconds)

    async def candidates(self) -> Candidates:
        """The parked first, then the oldest. Raises `Problem(unavailable)` where they can't be told."""
        before = datetime.now(UTC) - self._grace
        listed, unlisted, unlisted_parked = await ask_temporal(
            lambda: self._troubled(before), timeout_seconds=TIMEOUT_SECONDS
        )
        unfinished = [
            transfer
            for transfer in await self._participants.oldest_unfinished(limit=EXAMINED)
            if transfer.created_at < before
        ]
        batches = await self._batches.unfinished(before)
        troubled = [await self._batches.look(batch) for batch in batches]
        parked = [transfer_id for batch in troubled for transfer_id in batch.parked]
        lost = [transfer_id for batch in troubled for transfer_id in batch.lost]
        in_batches = (parked + lost)[:EXAMINED]
        listed.sort(key=lambda run: (not _says_parked(run), run.start_time))
        rest = listed[EXAMINED:]
        by_rows = [transfer.transfer_id for transfer in unfinished]
        oldest = [run.start_time for run in listed] + [transfer.created_at for transfer in unfinished]
        oldest += [batch.created_at for batch in batches]
        return Candidates(
            transfer_ids=tuple(dict.fromkeys([*await _transfer_ids(listed[:EXAMINED]), *in_batches, *by_rows])),
            unexamined=len(rest) + unlisted + len(parked) + len(lost) - len(in_batches),
            unexamined_parked=sum(map(_says_parked, rest)) + unlisted_parked + len(parked[EXAMINED:]),
            oldest=min(oldest, default=None),
        )

    async def _troubled(self, before: datetime) -> tuple[list[WorkflowExecution], int, int]:
        """A page of open runs that abort or whose tasks fail; how many more there are, and how many of these parked."""
        try:
            return await self._listed(f"({_ABORTING} OR {_REPORTED})", before)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return await self._listed(_ABORTING, before)  # a server that doesn't report problems of tasks

    async def _listed(self, condition: str, before: datetime) -> tuple[list[WorkflowExecution], int, int]:
        older = f"{_OPEN} AND StartTime <= '{before.isoformat()}' AND"
        runs = self._client.list_workflows(f"{older} {condition}", page_size=PAGE_SIZE)
        await runs.fetch_next_page()
        listed = [*(runs.current_page or ())]
        if runs.next_page_token is None:
            return listed, 0, 0
        total = (await self._client.count_workflows(f"{older} {condition}")).count
        parked = (await self._client.count_workflows(f"{older} {_PARKED}")).count
        return listed, max(0, total - len(listed)), max(0, parked - sum(map(_says_parked, listed)))


async def _transfer_ids(runs: Sequence[WorkflowExecution]) -> list[str]:
    memos = [await run.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo) for run in runs]
    return [memo.transfer.transfer_id for memo in memos if memo is not None]


def _says_parked(run: WorkflowExecution) -> bool:
    return run.typed_search_attributes.get(TRANSFER_STATUS) == TransferStatus.NEEDS_ATTENTION
