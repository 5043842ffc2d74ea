"""The ways to run one transfer that are compared, each from its start until its caller knows the end."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from benchmark.floor import FLOOR, floor_queue
from benchmark.keep_alive_client import KeepAliveClient
from benchmark.load import Transfer
from benchmark.sample import SAMPLE_QUEUE, MoneyTransfer, PaymentDetails
from temporalio.client import Client
from transfer_contract.identity import transfer_id_from_key
from transfer_contract.names import TRANSFER_MONEY, TaskQueue, workflow_id
from transfer_contract.steps import FinalStatus
from transfer_contract.transfers import TransferMemo, TransferRequest, TransferResult
from workflow_handler.policies import PRODUCTION

Pairs = Sequence[tuple[str, str]]
"""Source and destination accounts. One of them is taken after the other, so that few transfers wait for each other."""

WAIT_SECONDS: Final = 30


def floor(client: Client) -> Transfer:
    """Until the workflow's result."""

    async def transfer(number: int) -> None:
        await client.execute_workflow(FLOOR, id=f"floor-{uuid4()}", task_queue=floor_queue(TaskQueue.TRANSFERS))

    return transfer


def saga(client: Client, pairs: Pairs) -> Transfer:
    """`TransferMoney`, started as workflow-handler does it, until its result."""

    async def transfer(number: int) -> None:
        source, destination = pairs[number % len(pairs)]
        request = TransferRequest(
            transfer_id=transfer_id_from_key(str(uuid4())),
            source_account=source,
            destination_account=destination,
            amount_minor=1,
            currency="EUR",
            created_at=datetime.now(UTC),
        )
        result: TransferResult = await client.execute_workflow(
            TRANSFER_MONEY,
            args=[request, PRODUCTION],
            id=workflow_id(request.transfer_id),
            task_queue=TaskQueue.TRANSFERS,
            memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
            result_type=TransferResult,
        )
        assert result.status is FinalStatus.COMPLETED, result

    return transfer


def post(gateway: KeepAliveClient, pairs: Pairs) -> Transfer:
    """`POST /transfers` with a key and `Prefer: wait`, until the answer says `completed`."""

    async def transfer(number: int) -> None:
        status = 202
        key = str(uuid4())
        while status == 202:
            status, body = await _posted(gateway, pairs[number % len(pairs)], key, {"Prefer": f"wait={WAIT_SECONDS}"})
        assert status == 200, body
        assert json.loads(body)["status"] == FinalStatus.COMPLETED, body

    return transfer


def order(gateway: KeepAliveClient, pairs: Pairs, accepted: list[str]) -> Transfer:
    """`POST /transfers` with a key, until the answer says that it is accepted; notes the transfer's id."""

    async def transfer(number: int) -> None:
        status, body = await _posted(gateway, pairs[number % len(pairs)], str(uuid4()), {})
        assert status == 202, body
        accepted.append(json.loads(body)["id"])

    return transfer


async def _posted(
    gateway: KeepAliveClient, pair: tuple[str, str], key: str, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Where it is overloaded it is repeated with its key, as the API says."""
    order = {"source_account": pair[0], "destination_account": pair[1], "amount": "0.01", "currency": "EUR"}
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, **headers}
    status = 503
    while status == 503:
        status, body = await gateway.request("POST", "/transfers", json.dumps(order).encode(), headers)
    return status, body


def sample(client: Client) -> Transfer:
    """Until the workflow's result."""

    async def transfer(number: int) -> None:
        details = PaymentDetails("85-150", "43-812", 250, str(uuid4()))
        await client.execute_workflow(
            MoneyTransfer.run, details, id=f"transfer-{details.reference_id}", task_queue=SAMPLE_QUEUE
        )

    return transfer
