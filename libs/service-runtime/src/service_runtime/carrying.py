"""Whether a workflow carries its transfer: judged by what the Temporal server says of it, no worker is asked."""

from typing import Final

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

STUCK_FROM_ATTEMPT: Final = 4
"""Of one workflow task: three in a row have failed or timed out, which takes 20 s (measured). A worker that is killed
in the middle of one costs one attempt, and one that is merely away none."""


def is_open(run: WorkflowExecutionDescription) -> bool:
    return run.status is WorkflowExecutionStatus.RUNNING


def carries(run: WorkflowExecutionDescription) -> bool:
    """It is open and goes on, be it that it waits: for a step that is parked, or for workers that are away."""
    return is_open(run) and run.raw_description.pending_workflow_task.attempt < STUCK_FROM_ATTEMPT
