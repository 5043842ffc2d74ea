"""The official samples' shape: three steps on one queue, one worker, and every setting as it comes.

    python -m benchmark.sample localhost:7233      # the worker

Withdraw, deposit and the third step of the classic saga samples, without its error, and without a database.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

SAMPLE_QUEUE: Final = "money-transfer"


@dataclass
class PaymentDetails:
    source_account: str
    target_account: str
    amount: int
    reference_id: str


@activity.defn
async def withdraw(details: PaymentDetails) -> str:
    return f"withdrew {details.amount} from {details.source_account}"


@activity.defn
async def deposit(details: PaymentDetails) -> str:
    return f"deposited {details.amount} into {details.target_account}"


@activity.defn
async def third_step(details: PaymentDetails) -> str:
    return f"noted {details.reference_id}"


@workflow.defn
class MoneyTransfer:
    @workflow.run
    async def run(self, details: PaymentDetails) -> str:
        for step in (withdraw, deposit, third_step):
            done = await workflow.execute_activity(step, details, start_to_close_timeout=timedelta(seconds=5))
        return done


async def main(address: str) -> None:
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=SAMPLE_QUEUE,
        workflows=[MoneyTransfer],
        activities=[withdraw, deposit, third_step],
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
