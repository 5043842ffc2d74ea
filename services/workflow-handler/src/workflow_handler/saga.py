"""The mechanism of a saga's abort, free of transfers and of Temporal: shield, keep order, collect failures.

What it undoes is the list that it is given. For a transfer that is always rule 5's whole abort, never a stack of what
was attempted: a step's compensation is owed from before its first attempt.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Compensating(Generic[Answer]):
    """One compensation of the list. `run` retries by itself, without limit.

    A barrier is waited for however long it takes, and its answer decides whether anything is undone at all.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, Answer]]
    barrier: Callable[[Answer], bool] | None = None


@dataclass
class CompensationsFailed(Exception):  # noqa: N818 - it names several
    """Compensations ended with an error instead of being retried: a defect, never swallowed.

    Not one of Temporal's failures, on purpose: it fails the workflow task, not the workflow, which so stays open.
    """

    original: object
    failures: dict[str, BaseException]

    def __str__(self) -> str:
        told = ", ".join(f"{name}: {error!r}" for name, error in self.failures.items())
        return f"after {self.original}: {told}"


class Saga(Generic[Answer]):
    """The abort of one saga. `park` may be called at any time, also before the compensation has begun."""

    def __init__(self) -> None:
        self._moving_on: dict[str, asyncio.Event] = {}

    def park(self, name: str) -> None:
        """Says that a compensation keeps failing: the ones after it begin (rule 6), unless it is a barrier."""
        self._event(name).set()

    async def undo(self, compensations: Sequence[Compensating[Answer]], *, because: object) -> bool:
        """Runs the list in order, shielded from cancellation (rule 8), and returns when all have ended.

        False where a barrier answered that nothing may be undone. Raises CompensationsFailed, with the original
        failure, after the others have ended.
        """
        return await shielded(self._undo(compensations, because))

    async def _undo(self, compensations: Sequence[Compensating[Answer]], because: object) -> bool:
        begun: dict[str, asyncio.Task[Answer]] = {}
        for compensation in compensations:
            task = begun[compensation.name] = asyncio.ensure_future(compensation.run())
            if compensation.barrier is None:
                await self._ended_or_parked(compensation.name, task)
            elif not compensation.barrier(await _answer_of(compensation.name, task, because)):
                return False
        await _all_ended(begun, because)
        return True

    async def _ended_or_parked(self, name: str, task: asyncio.Task[Answer]) -> None:
        event = self._event(name)
        task.add_done_callback(lambda _: event.set())
        await event.wait()

    def _event(self, name: str) -> asyncio.Event:
        return self._moving_on.setdefault(name, asyncio.Event())


async def shielded(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs the work to its end, whatever cancels the caller (rule 8); a cancel that arrives meanwhile is spent."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


async def _answer_of(name: str, task: asyncio.Task[Answer], because: object) -> Answer:
    await _all_ended({name: task}, because)
    return task.result()


async def _all_ended(tasks: dict[str, asyncio.Task[Answer]], because: object) -> None:
    failures: dict[str, BaseException] = {}
    for name, task in tasks.items():
        try:
            await task
        except Exception as error:  # noqa: BLE001 - collected, told together
            failures[name] = error
    if failures:
        raise CompensationsFailed(because, failures)
