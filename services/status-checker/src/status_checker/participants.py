"""The decision rows as account-api and ledger-api tell them: what has happened to the money."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from service_runtime.internal_client import InternalClient, Query
from service_runtime.problems import Problem
from transfer_contract.http import Account, Page, ProblemCode, TransferIds, TransferRows
from transfer_contract.steps import StepRow
from transfer_contract.transfers import TransferRequest, TransferView

from status_checker.final_view import are_complete, final_view

ACCOUNTS: Final = 50
"""As many as a page shows at first."""


@dataclass(frozen=True)
class KnownRows:
    """The rows of one transfer in both databases. `transfer` is None where there is no row at all."""

    transfer: TransferRequest | None
    rows: tuple[StepRow, ...]
    is_final: bool
    unread: Problem | None = None
    """Why the ledger's are missing; never in a final one."""


NO_ROWS: Final = KnownRows(transfer=None, rows=(), is_final=False)


def accounts_alone(known: TransferRows) -> KnownRows:
    """Enough for a transfer that isn't final and runs."""
    return _joined(known, None, is_final=False)


def view_if_final(known: KnownRows) -> TransferView | None:
    if known.transfer is None or not known.is_final:
        return None
    return final_view(known.transfer, known.rows)


class Participants:
    def __init__(self, account_api: InternalClient, ledger_api: InternalClient) -> None:
        self._account_api = account_api
        self._ledger_api = ledger_api

    async def rows(self, transfer_id: str) -> KnownRows:
        """Raises `Problem(unavailable)` where what would decide can't be read."""
        accounts, ledger = await asyncio.gather(
            _rows(self._account_api, transfer_id), _rows(self._ledger_api, transfer_id)
        )
        if isinstance(accounts, Problem):
            raise accounts
        is_final = accounts is not None and accounts.final_status is not None
        if is_final and not _are_of_one_time(accounts, ledger):
            ledger = await _rows(self._ledger_api, transfer_id)
        if isinstance(ledger, Problem):
            if is_final:
                raise ledger
            return _joined(accounts, None, is_final=False, unread=ledger)
        return _joined(accounts, ledger, is_final=is_final)

    async def end(self, transfer_id: str, *, wait_seconds: float) -> KnownRows | None:
        """As soon as it is final; None where it still isn't when the time is up.

        Raises `Problem`: `not_found` where it then has no row, `unavailable` where they can't be read.
        """
        accounts = await self._account_api.get(
            f"/transfers/{transfer_id}/end", TransferRows, query={"wait": wait_seconds}, extra_seconds=wait_seconds
        )
        if accounts.final_status is None:
            return None
        ledger = await _rows(self._ledger_api, transfer_id)
        if isinstance(ledger, Problem):
            raise ledger
        return _joined(accounts, ledger, is_final=True)

    async def page(self, query: Query) -> Page[TransferRows]:
        """A page of transfers that have accounts rows, newest first."""
        return await self._account_api.get("/transfers", Page[TransferRows], query=query)

    async def oldest_unfinished(self, *, limit: int) -> list[TransferRequest]:
        """Of the transfers of no batch that have accounts rows and aren't final, the oldest ones first."""
        query: Query = {"final": "false", "of_batches": "false", "oldest_first": "true", "limit": limit}
        return [known.transfer for known in (await self.page(query)).items]

    async def accounts(self) -> Page[Account]:
        """The first page of them."""
        return await self._account_api.get("/accounts", Page[Account], query={"limit": ACCOUNTS})

    async def known(self, transfer_ids: Sequence[str]) -> AbstractSet[str]:
        """Those of them that have an accounts row by now."""
        if not transfer_ids:
            return frozenset()
        asked = TransferIds(transfer_ids=[*transfer_ids])
        return frozenset((await self._account_api.post("/transfers/known", TransferIds, body=asked)).transfer_ids)

    async def final(self, transfer_ids: Sequence[str]) -> AbstractSet[str]:
        """Those of them that are final by now."""
        if not transfer_ids:
            return frozenset()
        asked = TransferIds(transfer_ids=[*transfer_ids])
        return frozenset((await self._account_api.post("/transfers/final", TransferIds, body=asked)).transfer_ids)

    async def with_ledger_rows(self, final: Sequence[TransferRows]) -> list[KnownRows]:
        """The same final transfers, with what the ledger knows of them, in the same order."""
        if not final:
            return []
        asked = TransferIds(transfer_ids=[known.transfer.transfer_id for known in final])
        answer = await self._ledger_api.post("/transfers/query", Page[TransferRows], body=asked)
        ledger = {known.transfer.transfer_id: known for known in answer.items}
        return [_joined(known, ledger.get(known.transfer.transfer_id), is_final=True) for known in final]


def _are_of_one_time(final: TransferRows | None, ledger: TransferRows | Problem | None) -> bool:
    """False where the ledger may have answered before the transfer ended, and the accounts after it."""
    return final is None or isinstance(ledger, Problem) or are_complete([*final.rows, *(ledger.rows if ledger else ())])


async def _rows(api: InternalClient, transfer_id: str) -> TransferRows | Problem | None:
    try:
        return await api.get(f"/transfers/{transfer_id}", TransferRows)
    except Problem as problem:
        return None if problem.code is ProblemCode.NOT_FOUND else problem


def _joined(
    accounts: TransferRows | None, ledger: TransferRows | None, *, is_final: bool, unread: Problem | None = None
) -> KnownRows:
    known = [rows for rows in (accounts, ledger) if rows is not None]
    return KnownRows(
        transfer=known[0].transfer if known else None,
        rows=tuple(row for rows in known for row in rows.rows),
        is_final=is_final,
        unread=unread,
    )
