"""A worker process to be killed: python checker_worker_process.py QUEUE. Its activities never end."""

import asyncio
import sys

from service_runtime.temporal import connect_worker_client
from temporalio import activity
from temporalio.worker import Worker
from transfer_contract.steps import Step, StepRow
from transfer_contract.transfers import TransferRequest


@activity.defn(name=Step.WITHDRAW.value)
async def withdraw(_request: TransferRequest) -> StepRow:
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.2)


async def main(queue: str) -> None:
    client = await connect_worker_client()
    await Worker(client, task_queue=queue, activities=[withdraw]).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
