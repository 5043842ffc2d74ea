"""The mechanism by itself, without Temporal: order, barrier, parking, shielding, failures."""

import asyncio

import pytest
from workflow_handler.saga import Compensating, CompensationsFailed, Saga, shielded


class Script:
    """Compensations that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.saga: Saga[str] = Saga()
        self._gates: dict[str, asyncio.Event] = {}

    def compensating(self, name: str, *, answer: str = "undone", barrier: bool = False) -> Compensating[str]:
        async def run() -> str:
            self.begun.append(name)
            await self.gate(name).wait()
            self.ended.append(name)
            return answer

        return Compensating(name, run, (lambda heard: heard == "undone") if barrier else None)

    def failing(self, name: str) -> Compensating[str]:
        async def run() -> str:
            self.begun.append(name)
            raise ValueError(name)

        return Compensating(name, run)

    def gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def let(self, *names: str) -> None:
        for name in names:
            self.gate(name).set()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_compensation_begins_when_the_one_before_has_ended() -> None:
    script = Script()
    undoing = asyncio.create_task(
        script.saga.undo([script.compensating("deposit"), script.compensating("withdraw")], because="refused")
    )
    await settle()
    assert script.begun == ["deposit"]
    script.let("deposit")
    await settle()
    assert script.begun == ["deposit", "withdraw"]
    script.let("withdraw")
    assert await undoing is True


async def test_a_parked_compensation_does_not_hold_up_the_next_one_but_is_waited_for() -> None:
    script = Script()
    undoing = asyncio.create_task(
        script.saga.undo([script.compensating("deposit"), script.compensating("withdraw")], because="refused")
    )
    await settle()
    script.saga.park("deposit")
    script.let("withdraw")
    await settle()
    assert script.ended == ["withdraw"]
    assert not undoing.done()
    script.let("deposit")
    assert await undoing is True


async def test_nothing_begins_before_the_barrier_has_answered_even_while_it_is_parked() -> None:
    script = Script()
    undoing = asyncio.create_task(
        script.saga.undo(
            [script.compensating("door", barrier=True), script.compensating("withdraw")], because="refused"
        )
    )
    await settle()
    script.saga.park("door")
    await settle()
    assert script.begun == ["door"]
    script.let("door", "withdraw")
    assert await undoing is True


async def test_nothing_is_undone_where_the_barrier_says_that_it_is_too_late() -> None:
    script = Script()
    script.let("door")
    door = script.compensating("door", answer="too late", barrier=True)
    assert await script.saga.undo([door, script.compensating("withdraw")], because="refused") is False
    assert script.begun == ["door"]


async def test_cancelling_the_caller_again_and_again_does_not_stop_the_abort() -> None:
    script = Script()
    undoing = asyncio.create_task(
        script.saga.undo([script.compensating("deposit"), script.compensating("withdraw")], because="refused")
    )
    for _ in range(3):
        await settle()
        undoing.cancel()
    script.let("deposit", "withdraw")
    assert await undoing is True
    assert script.ended == ["deposit", "withdraw"]


async def test_failures_are_collected_after_the_others_have_ended_and_the_original_one_is_kept() -> None:
    script = Script()
    script.let("withdraw")
    with pytest.raises(CompensationsFailed) as raised:
        await script.saga.undo([script.failing("deposit"), script.compensating("withdraw")], because="refused")
    assert script.ended == ["withdraw"]
    assert raised.value.original == "refused"
    assert list(raised.value.failures) == ["deposit"]
    assert "refused" in str(raised.value)


async def test_a_barrier_that_fails_lets_nothing_be_undone() -> None:
    script = Script()

    async def fail() -> str:
        raise ValueError

    with pytest.raises(CompensationsFailed):
        await script.saga.undo(
            [Compensating("door", fail, lambda _: True), script.compensating("withdraw")], because="refused"
        )
    assert script.begun == []


async def test_shielded_work_that_is_itself_cancelled_says_so() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await shielded(give_up())
