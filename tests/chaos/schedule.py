"""Which fault begins when: a pure function of the seed, so that a run can be had again.

Two lanes run side by side. One breaks what many depend on, servers, databases and links; the other processes, single
transfers and versions. In each, one fault is over, and a pause has passed, before the next begins: at most one fault
of each lane at a time, and the system isn't always down.

Nothing is left to luck that the claim "each process, every link" needs: a kind comes again when all have come, and it
comes to a target again when it has come to all.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from typing import Final

from chaos import topology


class FaultKind(StrEnum):
    """These words stand in reports: they stay as they are."""

    PROCESS_KILL = "process_kill"
    PROCESS_FREEZE = "process_freeze"
    PROCESS_TERMINATE = "process_terminate"
    SERVER_KILL = "server_kill"
    SERVER_FREEZE = "server_freeze"
    SERVER_RESTART = "server_restart"
    LINK_CUT = "link_cut"
    LINK_SLOW = "link_slow"
    LINK_STALL_REQUESTS = "link_stall_requests"
    LINK_STALL_ANSWERS = "link_stall_answers"
    LINK_DROP_ANSWERS = "link_drop_answers"
    DISK_FULL = "disk_full"
    DATABASE_READ_ONLY = "database_read_only"
    POOL_STARVATION = "pool_starvation"
    CLOCK_STEP = "clock_step"
    DEADLOCK = "deadlock"
    SERIALIZATION_FAILURE = "serialization_failure"
    DUPLICATE_DELIVERY = "duplicate_delivery"
    WORKFLOW_TERMINATED = "workflow_terminated"
    WORKFLOW_RESET = "workflow_reset"
    WORKFLOW_DELETED = "workflow_deleted"
    WORKER_DEPLOYMENT = "worker_deployment"


@dataclass(frozen=True)
class ScheduledFault:
    """`numbers` are for whatever the fault leaves to chance: which transfer, how slow, after how many answers."""

    at_seconds: float
    kind: FaultKind
    target: str
    for_seconds: float
    numbers: tuple[int, ...]


K: Final = FaultKind
_BROAD: Final = frozenset(
    {
        K.SERVER_KILL, K.SERVER_FREEZE, K.SERVER_RESTART,
        K.LINK_CUT, K.LINK_SLOW, K.LINK_STALL_REQUESTS, K.LINK_STALL_ANSWERS, K.LINK_DROP_ANSWERS,
        K.DISK_FULL, K.DATABASE_READ_ONLY, K.POOL_STARVATION, K.SERIALIZATION_FAILURE,
    }
)  # fmt: skip
_SECONDS: Final = {K.PROCESS_FREEZE: (1, 30), K.WORKER_DEPLOYMENT: (20, 20), K.CLOCK_STEP: (5, 15)}
"""From, to. How long a fault takes that has its own end (a kill: until the process is back) is a guess."""
_OTHERS: Final = (2, 12)
_PAUSE_SECONDS: Final = (5, 13)
"""Long enough for transfers to complete again before the next one."""
NUMBERS: Final = 4
LARGEST_NUMBER: Final = 10_000


def schedule(seed: int, seconds: float, kinds: Sequence[FaultKind], *, docker: bool = False) -> list[ScheduledFault]:
    """In the order in which they begin; each ends before `seconds` are over."""
    lanes = [[kind for kind in kinds if (kind in _BROAD) is broad] for broad in (True, False)]
    chance = random.Random(seed)  # noqa: S311 - has to be reproducible
    turns = _turns(chance, kinds, docker=docker)
    faults = [fault for lane in lanes for fault in _lane(chance, seconds, lane, turns)]
    return sorted(faults, key=lambda fault: (fault.at_seconds, fault.kind))


def targets(kind: FaultKind, *, docker: bool = False) -> tuple[str, ...]:
    """What this fault may break, by name; one of no target is the system's as a whole."""
    match kind:
        case K.PROCESS_KILL | K.PROCESS_FREEZE | K.PROCESS_TERMINATE:
            return topology.PROCESSES
        case K.SERVER_KILL | K.SERVER_FREEZE | K.SERVER_RESTART:
            return topology.servers(docker=docker)
        case K.LINK_CUT | K.LINK_SLOW | K.LINK_STALL_REQUESTS | K.LINK_STALL_ANSWERS | K.LINK_DROP_ANSWERS:
            return topology.links(docker=docker)
        case K.DISK_FULL | K.DATABASE_READ_ONLY:
            return tuple(server for server in topology.servers(docker=docker) if server != topology.TEMPORAL)
        case K.POOL_STARVATION | K.DEADLOCK | K.SERIALIZATION_FAILURE | K.DUPLICATE_DELIVERY:
            return topology.DATABASES
        case K.CLOCK_STEP:
            return topology.STEPPED
    return ("transfers",)


Turns = dict[FaultKind, Iterator[str]]
"""Each kind's targets, one after the other, without an end."""


def _turns(chance: random.Random, kinds: Sequence[FaultKind], *, docker: bool) -> Turns:
    """Kinds that break the same go round in one order, each from elsewhere: soon every target has met one of them."""
    alike: dict[tuple[str, ...], list[FaultKind]] = {}
    for kind in kinds:
        alike.setdefault(targets(kind, docker=docker), []).append(kind)
    turns: Turns = {}
    for broken, breaking in alike.items():
        order = chance.sample(broken, len(broken))
        for number, kind in enumerate(breaking):
            turns[kind] = islice(cycle(order), number * len(order) // len(breaking), None)
    return turns


def _lane(chance: random.Random, seconds: float, kinds: Sequence[FaultKind], turns: Turns) -> list[ScheduledFault]:
    faults: list[ScheduledFault] = []
    bag: list[FaultKind] = []
    at = chance.uniform(*_PAUSE_SECONDS)
    while kinds:
        bag = bag or chance.sample(kinds, len(kinds))
        kind = bag.pop()
        for_seconds = round(chance.uniform(*_SECONDS.get(kind, _OTHERS)), 1)
        if at + for_seconds > seconds:
            break
        numbers = tuple(chance.randrange(LARGEST_NUMBER) for _ in range(NUMBERS))
        faults.append(ScheduledFault(round(at, 1), kind, next(turns[kind]), for_seconds, numbers))
        at += for_seconds + chance.uniform(*_PAUSE_SECONDS)
    return faults
