"""Work beside a block, and sources heard together: what goes wrong in one ends all, and nothing is left running."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from service_runtime.background import beside, merged
from told_source import SOON_SECONDS, ToldSource, next_of


async def test_the_items_of_all_sources_come_as_they_are_said() -> None:
    one, other = ToldSource[str](), ToldSource[str]()
    async with aclosing(merged(one.items(), other.items())) as items:
        one.say("a")
        assert await next_of(items) == "a"
        other.say("b")
        assert await next_of(items) == "b"
        one.say("c", "d")
        assert [await next_of(items), await next_of(items)] == ["c", "d"]


async def test_who_closes_merged_sources_closes_all_of_them_without_any_error() -> None:
    one, other = ToldSource[str](), ToldSource[str]()
    items = merged(one.items(), other.items())
    one.say("a")
    assert await next_of(items) == "a"
    assert (one.running, other.running) == (1, 1)
    await items.aclose()
    assert (one.running, other.running) == (0, 0)


async def test_a_cancelled_reader_of_merged_sources_leaves_nothing_running() -> None:
    one, other = ToldSource[str](), ToldSource[str]()
    reading = asyncio.create_task(next_of(merged(one.items(), other.items())))
    await asyncio.gather(one.until_running(1), other.until_running(1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (one.running, other.running) == (0, 0)


async def test_a_defect_in_one_merged_source_ends_all_of_them() -> None:
    sound, defective = ToldSource[str](), ToldSource[str]()
    items = merged(sound.items(), defective.items())
    sound.say("a")
    assert await next_of(items) == "a"
    defective.fail(ValueError("defect"))
    with pytest.raises(ValueError, match="defect"):
        await next_of(items)
    assert (sound.running, defective.running) == (0, 0)


async def drained(source: AsyncGenerator[str]) -> None:
    async with aclosing(source):
        async for _ in source:
            pass


async def test_work_beside_a_block_ends_with_the_block() -> None:
    source = ToldSource[str]()
    async with beside(drained(source.items())):
        await source.until_running(1)
    assert source.running == 0


async def test_what_a_block_raises_ends_the_work_beside_it_and_is_raised_as_it_is() -> None:
    source = ToldSource[str]()

    async def block() -> None:
        async with beside(drained(source.items())):
            await source.until_running(1)
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert source.running == 0


async def test_what_work_raises_ends_the_block_and_the_other_work() -> None:
    sound, defective = ToldSource[str](), ToldSource[str]()
    defective.fail(ValueError("defect"))
    with pytest.raises(ValueError, match="defect"):
        async with beside(drained(sound.items()), drained(defective.items())):
            await asyncio.sleep(SOON_SECONDS)
    assert (sound.running, defective.running) == (0, 0)
