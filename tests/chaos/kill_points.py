"""Where a process is to stand still: before or after which work, and what that work leaves behind once it is done."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from chaos.kill_subjects import Scene, Subject
from money_books import read_books
from system.lost_workflows import is_known
from transfer_contract.names import batch_workflow_id, workflow_id

_STANDS_WITHIN_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.02

Trace = Callable[[Scene, Subject], Awaitable[bool]]
"""Whether something can be seen from outside that is there exactly when a piece of work is done."""


@dataclass(frozen=True)
class Work:
    """A request, an activity or a workflow task of one process, by the words of its fault point."""

    process: str
    name: str
    words: tuple[str, ...]
    """With `{id}` for the transfer, `{batch}` for its batch and `{request}` for the client's request."""
    trace: Trace | None = None
    """None where it only reads, or only computes."""


@dataclass(frozen=True)
class Point:
    """A place in a process's work: where it is killed, or stands still while a server is killed."""

    when: str
    work: Work

    def __str__(self) -> str:
        return f"{self.when} {self.work.name}"


def before(work: Work) -> Point:
    return Point("before", work)


def after(work: Work) -> Point:
    return Point("after", work)


def request(process: str, call: str, *, trace: Trace | None = None, of_client: bool = True) -> Work:
    """`call` is a method and a path. Not `of_client`: somebody else's, such as the reconciler's."""
    method, path = call.split()
    return Work(process, call.replace("/{id}", "/…"), (method, path, *(["{request}"] if of_client else [])), trace)


def batch_step(process: str, name: str, *, leaves: str, by: str = "batch") -> Work:
    """The same for a list of a batch's transfers, and the decision that it leaves in the first one's row."""
    many = f"{name}_many"
    shown = many if by == "batch" else f"the reconciler's {many}"
    return Work(process, shown, (many, by + "-{batch}"), step(process, name, leaves=leaves).trace)


def step(process: str, name: str, *, leaves: str | None = None, by: str = "transfer") -> Work:
    """A participant's activity, and the decision that it leaves in its step's row. `by` begins its workflow's id."""

    async def is_decided(scene: Scene, subject: Subject) -> bool:
        return await _decision(scene, subject, name.removesuffix("_compensation")) == leaves

    shown = name if by == "transfer" else f"the reconciler's {name}"
    return Work(process, shown, (name, by + "-{id}"), is_decided if leaves else None)


def task(by: str = "transfer") -> Work:
    """A workflow task. After it, its commands are computed and not sent."""
    shown = "a workflow task" if by == "transfer" else "the reconciler's workflow task"
    return Work("workflow-worker", shown, ("workflow_task", by + "-{id}"))


def batch_task() -> Work:
    return Work("workflow-worker", "a workflow task", ("workflow_task", "batch-{batch}"))


async def batch_is_started(scene: Scene, subject: Subject) -> bool:
    return await is_known(scene.temporal, batch_workflow_id(subject.batch_id))


async def batch_is_stored(scene: Scene, subject: Subject) -> bool:
    query = "SELECT FROM batches WHERE batch_id = %s"
    async with await psycopg.AsyncConnection.connect(scene.system.accounts_url) as connection:
        return (await connection.execute(query, (subject.batch_id,))).rowcount == 1


async def is_started(scene: Scene, subject: Subject) -> bool:
    return await is_known(scene.temporal, workflow_id(subject.transfer_id))


async def account_is_open(scene: Scene, subject: Subject) -> bool:
    books = await asyncio.to_thread(read_books, scene.system.accounts_url, scene.system.ledger_url)
    return subject.destination in books.accounts


async def fault_is_lifted(scene: Scene, subject: Subject) -> bool:
    query = "SELECT FROM lifted_faults WHERE transfer_id = %s"
    async with await psycopg.AsyncConnection.connect(scene.system.accounts_url) as connection:
        return (await connection.execute(query, (subject.transfer_id,))).rowcount == 1


async def _decision(scene: Scene, subject: Subject, name: str) -> str | None:
    books = await asyncio.to_thread(read_books, scene.system.accounts_url, scene.system.ledger_url)
    if name == "record":
        return books.record(subject.transfer_id)
    transfer = books.transfers.get(subject.transfer_id)
    decision: str | None = getattr(transfer, name, None)
    return decision


@dataclass(frozen=True)
class Standing:
    """A process that has come to an armed point: all of it is stopped."""

    point: Point
    pid: int
    note: Path

    def go_on(self) -> None:
        self.note.unlink()
        os.kill(self.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Armed:
    """One point, for one subject, once."""

    point: Point
    subject: Subject
    path: Path

    async def standing(self, scene: Scene) -> Standing:
        """As soon as a process stands there. Checks that it is the right one, and its work done or not begun."""
        pid = await self._pid()
        work = self.point.work
        assert (await scene.system.pids())[work.process] == pid
        assert work.trace is None or await work.trace(scene, self.subject) is (self.point.when == "after"), (
            f"what {work.name} leaves behind isn't as it should be {self.point}"
        )
        return Standing(self.point, pid, self.path.with_suffix(f".{pid}"))

    async def _pid(self) -> int:
        deadline = time.monotonic() + _STANDS_WITHIN_SECONDS
        while not (stopped := [pid for pid in self._noted() if _is_stopped(pid)]):
            assert time.monotonic() < deadline, f"{self.point.work.process} has not come to the point {self.point}"
            await asyncio.sleep(_LOOK_SECONDS)
        return stopped[0]

    def _noted(self) -> list[int]:
        notes = self.path.parent.glob(f"{self.path.stem}.*")
        return [int(note.suffix[1:]) for note in notes if note.suffix[1:].isdigit()]


class FaultPointFolder:
    """What `FAULT_POINTS` names for the processes of one system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    @contextlib.contextmanager
    def armed(self, points: tuple[Point, ...], subject: Subject) -> Iterator[list[Armed]]:
        """Each point once. Afterwards nothing is armed, and nobody stands anywhere."""
        try:
            yield [self._arm(point, subject) for point in points]
        finally:
            for note in self.path.iterdir():
                if note.suffix[1:].isdigit():
                    with contextlib.suppress(ProcessLookupError):  # killed, as it should be
                        os.kill(int(note.suffix[1:]), signal.SIGKILL)
                note.unlink()

    def _arm(self, point: Point, subject: Subject) -> Armed:
        words = (point.work.process, point.when, *point.work.words)
        draft = self.path / f"{uuid4().hex}.draft"
        text = "\n".join(words)
        draft.write_text(text.format(id=subject.transfer_id, batch=subject.batch_id, request=subject.request_id))
        return Armed(point, subject, draft.rename(draft.with_suffix(".armed")))


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")
    except (FileNotFoundError, ProcessLookupError):
        return False
