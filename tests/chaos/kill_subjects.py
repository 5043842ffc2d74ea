"""The transfers that processes are killed around, each with its client, and what can be done to them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx
from chaos.refused_steps import RefusedSteps
from system.lost_workflows import is_known
from system.public_api import Json, new_transfer
from system.running_system import RunningSystem
from temporalio.client import Client, WorkflowHandle
from transfer_contract.batches import batch_of, transfer_id_in
from transfer_contract.identity import batch_id_from_key, transfer_id_from_key
from transfer_contract.names import RECONCILE_TRANSFERS, TaskQueue, batch_workflow_id, finisher_id, workflow_id
from workflow_handler.policies import Reconciling

IN_A_BATCH: Final = 20
"""Transfers."""

_PATIENCE_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 0.2

Money = Mapping[str, tuple[str, str]]
"""Balance and held credit by account."""


@dataclass
class Subject:
    """One transfer and the client who wants it, and repeats with its key what gets no answer."""

    http: httpx.AsyncClient
    transfer_id: str
    body: Json
    money_at_end: Mapping[str, Money]
    """By final status."""
    path: str = "/transfers"
    key: str = field(default_factory=lambda: str(uuid4()))
    request_id: str = field(default_factory=lambda: f"killed-{uuid4().hex}")
    go_on: Callable[[], Coroutine[Any, Any, object]] = field(init=False)
    """Makes it go on from the state that it is in, to its end."""

    @property
    def batch_id(self) -> str:
        """Empty for a transfer of its own."""
        return batch_of(self.transfer_id) or ""

    @property
    def workflow_id(self) -> str:
        return workflow_id(self.transfer_id)

    @property
    def transfer_ids(self) -> list[str]:
        return [self.transfer_id]

    @property
    def source(self) -> str:
        return str(self._asked["source_account"])

    @property
    def destination(self) -> str:
        """Nobody else's transfer goes there."""
        return str(self._asked.get("destination_account", self._asked.get("id")))

    @property
    def _asked(self) -> Json:
        return self.body

    async def post(self) -> httpx.Response:
        response = await self._answer("POST", self.path, json=self.body, key=self.key)
        assert response.is_success, response.text
        return response

    async def read(self) -> httpx.Response:
        response = await self._answer("GET", f"/transfers/{self.transfer_id}")
        assert response.status_code == 200, response.text
        return response

    async def cancel(self) -> httpx.Response:
        response = await self._answer("POST", f"/transfers/{self.transfer_id}/cancel")
        assert response.status_code == 202, response.text
        return response

    async def retry(self) -> httpx.Response:
        """409 where the retry before it has worked, and only its answer was lost."""
        response = await self._answer("POST", f"/transfers/{self.transfer_id}/retry")
        assert response.status_code in (202, 409), response.text
        return response

    async def _answer(
        self, method: str, path: str, *, key: str | None = None, json: Json | None = None
    ) -> httpx.Response:
        headers = {"X-Request-Id": self.request_id} | ({"Idempotency-Key": key} if key else {})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                response = await self.http.request(method, path, headers=headers, json=json)
            except httpx.TransportError as error:
                told = repr(error)
            else:
                if response.status_code != 503:
                    return response
                told = response.text
            assert time.monotonic() < deadline, f"{method} {path}: {told}"
            await asyncio.sleep(_AGAIN_SECONDS)


@dataclass
class BatchSubject(Subject):
    """A batch, looked at by its first transfer."""

    @property
    def workflow_id(self) -> str:
        return batch_workflow_id(self.batch_id)

    @property
    def transfer_ids(self) -> list[str]:
        return [transfer_id_in(self.batch_id, position) for position in range(1, IN_A_BATCH + 1)]

    @property
    def _asked(self) -> Json:
        return dict(self.body["transfers"][0])

    async def read(self) -> httpx.Response:
        """Its first transfer, once all of them are final; the batch until then."""
        batch = await self._answer("GET", f"/transfer-batches/{self.batch_id}")
        assert batch.status_code == 200, batch.text
        return await super().read() if batch.json()["status"] == "finished" else batch


class Scene:
    """A running system on which subjects are brought into their states."""

    def __init__(self, system: RunningSystem, temporal: Client) -> None:
        self.system = system
        self.temporal = temporal
        self.refused = RefusedSteps(system.accounts_url, system.ledger_url)
        self.prepared: dict[object, asyncio.Queue[Subject]] = defaultdict(asyncio.Queue)
        """By situation."""

    async def subject(self, **fields: str) -> Subject:
        source, destination = await self.system.api.open_pair()
        key = str(uuid4())
        return Subject(
            self.system.api.http,
            transfer_id_from_key(key),
            new_transfer(source, destination, **fields),
            {
                "completed": {source: ("99.00", "0.00"), destination: ("1.00", "0.00")},
                "compensated": {source: ("100.00", "0.00"), destination: ("0.00", "0.00")},
            },
            key=key,
        )

    async def batch(self, first: Mapping[str, str], *, undone: int = 1) -> BatchSubject:
        """Its first transfer has these fields. Where that ends `compensated`, so many do; all others complete."""
        source, destination = await self.system.api.open_pair()
        key = str(uuid4())
        others = [new_transfer(source, destination)] * (IN_A_BATCH - 1)
        moved = IN_A_BATCH - undone
        return BatchSubject(
            self.system.api.http,
            transfer_id_in(batch_id_from_key(key), 1),
            {"transfers": [new_transfer(source, destination, **first), *others]},
            {
                "completed": {source: (f"{100 - IN_A_BATCH}.00", "0.00"), destination: (f"{IN_A_BATCH}.00", "0.00")},
                "compensated": {source: (f"{100 - moved}.00", "0.00"), destination: (f"{moved}.00", "0.00")},
            },
            path="/transfer-batches",
            key=key,
        )

    async def start_reconciler(self) -> WorkflowHandle[Any, Any]:
        """By hand; the schedule's runs are paused, so that nobody else takes a transfer over.

        Nothing is too young for it: a batch is found by its rows only.
        """
        return await self.temporal.start_workflow(
            RECONCILE_TRANSFERS,
            Reconciling(grace_seconds=0),
            id=f"reconcile-{uuid4()}",
            task_queue=TaskQueue.TRANSFERS,
        )

    async def terminate(self, subject: Subject) -> None:
        """Returns when a search can see it."""
        await self.temporal.get_workflow_handle(subject.workflow_id).terminate("by the test")
        query = f"WorkflowId = '{subject.workflow_id}' AND ExecutionStatus = 'Terminated'"
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (await self.temporal.count_workflows(query)).count == 0:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)

    async def until_taken_over(self, subject: Subject) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await is_known(self.temporal, finisher_id(subject.transfer_id)):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
