"""Who a worker process is, to the Temporal server, to a decision row, and to whoever looks at either."""

import os
import socket

from transfer_contract.names import WORKER_OF_QUEUE, Process, TaskQueue


def worker_identity(process: Process) -> str:
    """`process@host:pid`, of this process."""
    return f"{process}@{socket.gethostname()}:{os.getpid()}"


def identity_on(queue: str) -> str | None:
    """The identity of this process as a queue's worker; None for a queue that isn't the product's."""
    return worker_identity(WORKER_OF_QUEUE[TaskQueue(queue)]) if queue in set(TaskQueue) else None
