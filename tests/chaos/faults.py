"""Every fault of the schedule, done to a running system: `inject` returns when it is over, its target whole again.

A fault says what it saw, so that a run can tell one that had its effect from one that met nothing to break.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import psycopg
from chaos import (
    clock_faults,
    clocks,
    conflict_faults,
    database_faults,
    delivery_faults,
    link_faults,
    process_faults,
    version_faults,
    workflow_faults,
)
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import FaultKind, ScheduledFault
from service_runtime.database import DATABASE_AWAY
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio.service import RPCError, RPCStatusCode

Inject = Callable[[ChaosSystem, ScheduledFault], Awaitable[Effect]]

_FAULTS: Final[Mapping[FaultKind, Inject]] = MappingProxyType(
    {
        FaultKind.PROCESS_KILL: process_faults.kill,
        FaultKind.PROCESS_FREEZE: process_faults.freeze,
        FaultKind.PROCESS_TERMINATE: process_faults.terminate,
        FaultKind.SERVER_KILL: process_faults.kill,
        FaultKind.SERVER_FREEZE: process_faults.freeze,
        FaultKind.SERVER_RESTART: process_faults.terminate,
        FaultKind.LINK_CUT: link_faults.cut,
        FaultKind.LINK_SLOW: link_faults.slow,
        FaultKind.LINK_STALL_REQUESTS: link_faults.stall_requests,
        FaultKind.LINK_STALL_ANSWERS: link_faults.stall_answers,
        FaultKind.LINK_DROP_ANSWERS: link_faults.drop_answers,
        FaultKind.DISK_FULL: database_faults.disk_full,
        FaultKind.DATABASE_READ_ONLY: database_faults.read_only,
        FaultKind.POOL_STARVATION: database_faults.pool_starvation,
        FaultKind.CLOCK_STEP: clock_faults.step,
        FaultKind.DEADLOCK: conflict_faults.deadlock,
        FaultKind.SERIALIZATION_FAILURE: conflict_faults.serialization_failure,
        FaultKind.DUPLICATE_DELIVERY: delivery_faults.deliver_again,
        FaultKind.WORKFLOW_TERMINATED: workflow_faults.terminate,
        FaultKind.WORKFLOW_RESET: workflow_faults.reset,
        FaultKind.WORKFLOW_DELETED: workflow_faults.delete,
        FaultKind.WORKER_DEPLOYMENT: version_faults.deploy,
    }
)

KINDS: Final = tuple(_FAULTS)


_AWAY: Final = (*DATABASE_AWAY, psycopg.OperationalError, psycopg.InterfaceError, ConnectionError)
_NOT_REACHED: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
    }
)


async def inject(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """An effect of 0 where what the fault needs was away itself.

    Raises TimeoutError where its end isn't reached, and AssertionError where anything else went wrong: what a
    constraint refuses is the sign that a request which came twice would have moved something.
    """
    try:
        return await _FAULTS[fault.kind](system, fault)
    except (psycopg.Error, SQLAlchemyError, RPCError, ConnectionError) as error:
        if not met_another_fault(error):
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        return Effect(0, f"{fault.target}: {fault.kind} met another fault: {type(error).__name__}")


def met_another_fault(error: Exception) -> bool:
    """Whether it says only that a server is away, or that its database can't be written just now."""
    if isinstance(error, RPCError):
        return error.status in _NOT_REACHED
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(error, _AWAY) or isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)


def impossible_here(system: ChaosSystem) -> dict[FaultKind, str]:
    """The kinds that this machine doesn't allow, and why."""
    reasons: dict[FaultKind, str] = {}
    if problem := next((server.disk.problem for server in system.databases.values() if server.disk.problem), ""):
        reasons[FaultKind.DISK_FULL] = problem
    if not clocks.can_step():
        reasons[FaultKind.CLOCK_STEP] = clocks.PROBLEM
    return reasons
