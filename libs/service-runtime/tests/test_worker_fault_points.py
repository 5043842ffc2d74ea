"""Where a worker's fault points lie: around an activity's work, and around a workflow task, on a real server."""

from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from service_runtime import worker_fault_points
from service_runtime.fault_points import FaultPoints, When
from service_runtime.worker_fault_points import activity_fault_points, workflow_runner
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import Process

QUEUE: Final = "fault-point-tests"


class PassedPoints(FaultPoints):
    """Notes them instead of stopping."""

    def __init__(self, story: list[str]) -> None:
        super().__init__(Process.ACCOUNT_WORKER, Path())
        self._story = story

    def reached(self, when: When, *work: str) -> None:
        self._story.append(f"{when} {work[0]} {work[1]}")


class Activities:
    def __init__(self, story: list[str]) -> None:
        self._story = story

    @activity.defn(name="step")
    async def step(self, is_refused: bool) -> None:
        self._story.append("step")
        if is_refused:
            raise ApplicationError("no", non_retryable=True)


@workflow.defn(name="OneStep")
class OneStep:
    @workflow.run
    async def run(self, is_refused: bool) -> None:
        await workflow.execute_activity("step", is_refused, start_to_close_timeout=timedelta(seconds=10))


@pytest.mark.parametrize("is_refused", [False, True])
async def test_the_points_lie_around_the_work_of_an_activity_and_of_a_workflow_task(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    story: list[str] = []
    monkeypatch.setattr(worker_fault_points, "fault_points", lambda process: PassedPoints(story))
    worker = Worker(
        temporal_client,
        task_queue=QUEUE,
        workflows=[OneStep],
        activities=[Activities(story).step],
        interceptors=activity_fault_points(Process.ACCOUNT_WORKER),
        workflow_runner=workflow_runner(Process.ACCOUNT_WORKER),
    )
    name = str(uuid4())
    async with worker:
        try:
            await temporal_client.execute_workflow("OneStep", is_refused, id=name, task_queue=QUEUE)
        except WorkflowFailureError:
            assert is_refused
    task = [f"before workflow_task {name}", f"after workflow_task {name}"]
    assert story == [*task, f"before step {name}", "step", f"after step {name}", *task]


def test_a_worker_without_the_setting_has_none() -> None:
    assert activity_fault_points(Process.ACCOUNT_WORKER) == []
    assert type(workflow_runner(Process.WORKFLOW_WORKER)) is UnsandboxedWorkflowRunner
