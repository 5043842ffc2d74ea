"""Workflows that somebody terminates, resets or deletes: of transfers and batches under way, and the reconciler's."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final
from uuid import uuid4

from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.waiting import LOOK_SECONDS
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError
from transfer_contract.names import FINISH_BATCH, FINISH_TRANSFER, TRANSFER_BATCH, TRANSFER_MONEY

_MOST: Final = 3
_LISTED: Final = 200
_STRUCK: Final = (TRANSFER_MONEY, FINISH_TRANSFER, TRANSFER_BATCH, FINISH_BATCH)
Strike = Callable[[Client, WorkflowExecution, int], Awaitable[bool]]
"""Whether it has struck. Raises RPCError where the server refuses."""


async def terminate(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    return await _strike(system, fault, _terminate, status="Running", done="terminated")


async def reset(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """To any of its workflow tasks; also of one that has completed: its rows are final, and stay."""
    status = "Completed" if fault.numbers[2] % 2 else "Running"
    return await _strike(system, fault, _reset, status=status, done="reset")


async def delete(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """The server ends it at once, and forgets it soon."""
    return await _strike(system, fault, _delete, status="Running", done="deleted")


async def _strike(system: ChaosSystem, fault: ScheduledFault, strike: Strike, *, status: str, done: str) -> Effect:
    """Up to three of each type; the fault looks for as long as it may until it finds any that isn't faster."""
    client = await system.temporal_client()
    loop = asyncio.get_running_loop()
    end = loop.time() + fault.for_seconds
    struck: list[str] = []
    while not struck and loop.time() < end:
        for execution in [each for kind in _STRUCK for each in await _some(client, kind, status, fault)]:
            system.strikes.trying(fault.kind, execution.workflow_id)
            try:
                has_struck = await strike(client, execution, fault.numbers[3])
            except RPCError:
                continue
            if has_struck:
                struck.append(execution.workflow_id)
        await asyncio.sleep(LOOK_SECONDS)
    return Effect(len(struck), f"workflows {done}: {', '.join(struck) or 'none found'}")


async def _some(client: Client, kind: str, status: str, fault: ScheduledFault) -> list[WorkflowExecution]:
    query = f"WorkflowType = '{kind}' AND ExecutionStatus = '{status}'"
    listed = [found async for found in client.list_workflows(query, limit=_LISTED)]
    first = fault.numbers[0] % (len(listed) or 1)
    chosen = islice(listed, first, first + 1 + fault.numbers[1] % _MOST)
    return [WorkflowExecution(workflow_id=found.id, run_id=found.run_id) for found in chosen]


async def _terminate(client: Client, execution: WorkflowExecution, _number: int) -> bool:
    handle = client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
    await handle.terminate("chaos")
    return True


async def _reset(client: Client, execution: WorkflowExecution, number: int) -> bool:
    """False where it has done no task yet that it could be reset to."""
    history = await client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id).fetch_history()
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    tasks = [event.event_id for event in history.events if event.event_type == done]
    if not tasks:
        return False
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=execution,
            reason="chaos",
            workflow_task_finish_event_id=tasks[number % len(tasks)],
            request_id=str(uuid4()),
        )
    )
    return True


async def _delete(client: Client, execution: WorkflowExecution, _number: int) -> bool:
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    return True
