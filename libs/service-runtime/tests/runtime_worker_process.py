"""A worker process without a Temporal server, its settings from the environment, busy with a step that never ends."""

import threading
import time

import uvloop
from prometheus_client import CollectorRegistry
from service_runtime.settings import WorkerSettings
from service_runtime.worker import run_worker
from temporalio.client import Client
from temporalio.worker import Worker
from transfer_contract.names import Process

STEP_SECONDS = 3600


def build(_client: Client, _identity: str) -> Worker:
    raise NotImplementedError("there is no server to connect to")


if __name__ == "__main__":
    threading.Thread(target=time.sleep, args=[STEP_SECONDS]).start()
    settings = WorkerSettings(process=Process.LEDGER_WORKER)
    uvloop.run(run_worker(settings, CollectorRegistry(), build))
