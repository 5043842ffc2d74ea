"""The fault points of a worker: around its activities and, beneath the workflow code, around its workflow tasks."""

from collections.abc import Sequence
from typing import Any, Final

from temporalio import activity
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
)
from transfer_contract.names import Process

from service_runtime.fault_points import FaultPoints, When, fault_points

WORKFLOW_TASK: Final = "workflow_task"


def activity_fault_points(process: Process) -> Sequence[Interceptor]:
    """An activity's words are its type and its workflow's id. Innermost of all: next to it is the work itself."""
    points = fault_points(process)
    return [_ActivityFaultPoints(points)] if points else []


def workflow_runner(process: Process) -> UnsandboxedWorkflowRunner:
    """A workflow task's words are `workflow_task` and its workflow's id. After it its commands are there, not sent."""
    points = fault_points(process)
    return _RunnerWithFaultPoints(points) if points else UnsandboxedWorkflowRunner()


class _ActivityFaultPoints(Interceptor):
    def __init__(self, points: FaultPoints) -> None:
        self._points = points

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - SDK
        return _BetweenActivities(next, self._points)


class _BetweenActivities(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, points: FaultPoints) -> None:
        super().__init__(next_)
        self._points = points

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - SDK
        info = activity.info()
        work = (info.activity_type, info.workflow_id or "")
        self._points.reached(When.BEFORE, *work)
        try:
            return await self.next.execute_activity(input)
        finally:  # a refusal is committed, too
            self._points.reached(When.AFTER, *work)


class _RunnerWithFaultPoints(UnsandboxedWorkflowRunner):
    """The workflows know nothing of it, and replay as ever."""

    def __init__(self, points: FaultPoints) -> None:
        self._points = points

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        activate, work = instance.activate, (WORKFLOW_TASK, det.info.workflow_id)

        def activate_between(act: WorkflowActivation) -> WorkflowActivationCompletion:
            if act.is_replaying or any(job.HasField("remove_from_cache") for job in act.jobs):
                return activate(act)  # of no consequence: told long ago, or never told
            self._points.reached(When.BEFORE, *work)
            completion = activate(act)
            self._points.reached(When.AFTER, *work)
            return completion

        instance.activate = activate_between  # type: ignore[method-assign] # a wrapper would pass five others on
        return instance
