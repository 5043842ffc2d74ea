"""The public call that only a demo needs: let a worker crash, to see its transfers wait and go on."""

from typing import Annotated

from fastapi import APIRouter, Path
from service_runtime.problems import Problem
from transfer_contract.http import CrashStarted, ProblemCode
from transfer_contract.names import WORKER_OF_QUEUE

from gateway.downstream import Downstream
from gateway.openapi import problems
from gateway.strict_route import strict_router

_WORKERS = [worker.value for worker in WORKER_OF_QUEUE.values()]

WorkerInPath = Annotated[
    str, Path(alias="process", description="The kind of worker", json_schema_extra={"enum": _WORKERS})
]


class DemoApi:
    """Only where demo faults are switched on."""

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    def router(self) -> APIRouter:
        router = strict_router("operations")
        router.post("/workers/{process}/crash", status_code=202, responses=problems(ProblemCode.NOT_FOUND))(
            self.crash_worker
        )
        return router

    async def crash_worker(self, process: WorkerInPath) -> CrashStarted:
        """Let a worker process end at once, in the middle of whatever it does, as if it were killed.

        Only where demo faults are switched on. What supervises the process starts it again.
        """
        worker = self._downstream.workers.get(process)
        if worker is None:
            raise Problem(ProblemCode.NOT_FOUND, f"There is no worker {process} whose address is known here.")
        async with self._downstream.deadline():
            return await worker.post("/crash", CrashStarted)
