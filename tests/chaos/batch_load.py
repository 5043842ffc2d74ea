"""What a client does with a batch: posts it, posts it again with its key, and follows it to its end."""

import asyncio
import time
from dataclasses import replace
from typing import Final

import httpx
from chaos.findings import Findings
from chaos.operations import Operation, item_key, kind_of_item
from chaos.patient_client import PatientClient
from transfer_contract.batches import transfer_id_in

PAGE: Final = 100
_LOOK_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 60
"""So long a client follows one batch before it goes on to its next operation."""


class BatchLoad:
    def __init__(self, http: httpx.AsyncClient, client: PatientClient, findings: Findings) -> None:
        self._http = http
        self._client = client
        self._journal = findings.journal
        self._promises = findings.promises

    async def pay(self, operation: Operation) -> None:
        """Each of its transfers is promised like any other."""
        batch_id = await self._post(operation, replayed=False)
        if batch_id is None or await self._post(operation, replayed=True) is None:
            return
        if await self._ends(operation, batch_id):
            await self._read(operation, batch_id)

    async def _post(self, operation: Operation, *, replayed: bool) -> str | None:
        """Its id. The same one again is a key's one transfer, for each of them."""
        asked_at = self._journal.now
        headers = {"Idempotency-Key": operation.key}
        answer, last_asked_at = await self._client.answer(
            _in_short(operation),
            "POST /transfer-batches",
            lambda: self._http.post("/transfer-batches", json=operation.body, headers=headers),
        )
        if not answer.is_success or (replayed and "Idempotent-Replayed" not in answer.headers):
            self._client.surprised(operation, answer, last_asked_at)
            return None
        batch_id: str = answer.json()["id"]
        for position, item in enumerate(operation.items, start=1):
            one = replace(operation, kind=kind_of_item(item), key=item_key(operation.key, position), body=item)
            self._promises.acknowledged(one, transfer_id_in(batch_id, position), asked_at)
        return batch_id

    async def _ends(self, operation: Operation, batch_id: str) -> bool:
        """Whether it has within the client's patience."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = await self._get(operation, f"/transfer-batches/{batch_id}")
            if answer is None or answer.json()["status"] == "finished":
                return answer is not None
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _read(self, operation: Operation, batch_id: str) -> None:
        cursor: str | None = ""
        while cursor is not None:
            asked_at = self._journal.now
            page = await self._get(operation, f"/transfer-batches/{batch_id}/transfers", cursor=cursor)
            if page is None:
                return
            for transfer in page.json()["items"]:
                if promise := self._promises.of_transfer(transfer["id"]):
                    self._promises.judge_request(promise, transfer)
                self._promises.told(transfer, self._journal.now, asked_at=asked_at)
            cursor = page.json()["next_cursor"]

    async def _get(self, operation: Operation, path: str, *, cursor: str = "") -> httpx.Response | None:
        query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {}) if path.endswith("/transfers") else {}
        answer, asked_at = await self._client.answer(
            _in_short(operation), f"GET {path}", lambda: self._http.get(path, params=query)
        )
        self._client.expect(operation, answer, {200}, asked_at)
        return answer if answer.status_code == 200 else None


def _in_short(operation: Operation) -> Operation:
    """For the journal: its body follows from the seed."""
    return replace(operation, body={"transfers": len(operation.items)})
