"""Turns: so many at once, in order, and never for longer than it is good to wait."""

import asyncio

import pytest
from service_runtime.problems import Problem
from service_runtime.turns import Turns
from transfer_contract.http import ProblemCode


async def test_so_many_have_a_turn_at_once_and_the_others_follow_in_order() -> None:
    turns, began, may_end = Turns(2), list[int](), asyncio.Event()

    async def take(number: int) -> None:
        async with turns.turn():
            began.append(number)
            await may_end.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(take(number))
        await asyncio.sleep(0.05)
        assert began == [0, 1]
        may_end.set()
    assert began == [0, 1, 2, 3]


async def test_who_waits_too_long_is_told_to_come_again_and_takes_nobodys_turn() -> None:
    turns = Turns(1, wait_seconds=0.05)
    async with turns.turn():
        with pytest.raises(Problem) as refused:
            async with turns.turn():
                pytest.fail("a second turn at once")
    assert refused.value.code is ProblemCode.UNAVAILABLE
    async with turns.turn():
        pass


async def test_a_turn_that_fails_or_is_cancelled_is_given_back() -> None:
    turns = Turns(1, wait_seconds=0.05)
    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error):
            async with turns.turn():
                raise error
    async with turns.turn():
        pass
