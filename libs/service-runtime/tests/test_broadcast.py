"""One source for many listeners."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, suppress

import pytest
from service_runtime.broadcast import Broadcast, Signal
from told_source import SOON_SECONDS, ToldSource, next_of, rest_of

Numbers = dict[str, int]
Listener = AsyncGenerator[Numbers]


@pytest.fixture
def source() -> ToldSource[Numbers]:
    return ToldSource()


@pytest.fixture
def broadcast(source: ToldSource[Numbers]) -> Broadcast[str, int]:
    return Broadcast(source.items)


@pytest.fixture
async def listen(broadcast: Broadcast[str, int]) -> AsyncIterator[Callable[[], Listener]]:
    """Makes listeners, who leave at the end of the test at the latest."""
    async with AsyncExitStack() as stack:

        def new() -> Listener:
            listener = broadcast.listen()
            stack.push_async_callback(listener.aclose)
            return listener

        yield new


async def test_a_late_listener_gets_the_latest_of_each_key_at_once(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    early = listen()
    for said in ({"a": 1}, {"b": 1}, {"a": 2}):
        source.say(said)
        assert await next_of(early) == said
    assert await next_of(listen()) == {"a": 2, "b": 1}


async def test_a_listener_who_is_slow_skips_to_the_latest_and_holds_nobody_up(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    slow, fast = listen(), listen()
    source.say({"a": 0})
    assert await next_of(slow) == await next_of(fast) == {"a": 0}
    for said in ({"a": 1}, {"b": 1}, {"a": 2}):
        source.say(said)
        assert await next_of(fast) == said
    assert await next_of(slow) == {"a": 2, "b": 1}
    source.say({"b": 2})
    assert await next_of(slow) == {"b": 2}


async def test_the_source_starts_with_the_first_listener_and_is_cancelled_with_the_last(
    source: ToldSource[Numbers], broadcast: Broadcast[str, int], listen: Callable[[], Listener]
) -> None:
    first, second = listen(), listen()
    assert (source.starts, broadcast.is_listened_to) == (0, False)
    source.say({"a": 1})
    assert await next_of(first) == await next_of(second) == {"a": 1}
    await first.aclose()
    assert (source.running, broadcast.is_listened_to) == (1, True)
    await second.aclose()
    assert (source.running, source.starts, broadcast.is_listened_to) == (0, 1, False)


async def test_a_new_first_listener_hears_nothing_from_before(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    first = listen()
    source.say({"a": 1})
    await next_of(first)
    await first.aclose()
    source.say({"b": 1})
    assert await next_of(listen()) == {"b": 1}
    assert source.starts == 2


async def test_who_comes_while_the_source_is_being_stopped_gets_one_of_its_own(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    first, second = listen(), listen()
    source.say({"a": 1})
    await next_of(first)
    source.may_close.clear()
    leaving = asyncio.create_task(first.aclose())
    await asyncio.sleep(0.05)
    source.say({"b": 1})
    assert await next_of(second) == {"b": 1}
    source.may_close.set()
    await leaving
    await source.until_running(1)
    source.say({"b": 2})
    assert await next_of(second) == {"b": 2}


async def test_the_end_of_the_source_reaches_every_listener_after_the_last_values(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    waiting = [asyncio.create_task(rest_of(listen())) for _ in range(2)]
    source.say({"a": 1})
    source.end()
    assert [listened[-1]["a"] for listened in await asyncio.gather(*waiting)] == [1, 1]
    assert source.running == 0


async def test_an_error_of_the_source_reaches_every_listener_after_the_last_values(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    quick, slow = listen(), listen()
    source.say({"a": 1})
    assert await next_of(quick) == await next_of(slow) == {"a": 1}
    source.say({"a": 2})
    assert await next_of(quick) == {"a": 2}
    source.fail(ValueError("defect"))
    with pytest.raises(ValueError, match="defect"):
        await next_of(quick)
    assert await next_of(slow) == {"a": 2}
    with pytest.raises(ValueError, match="defect"):
        await next_of(slow)
    source.say({"a": 3})
    assert await next_of(listen()) == {"a": 3}


async def test_a_listener_who_leaves_while_it_waits_leaves_the_others_as_they_were(
    source: ToldSource[Numbers], listen: Callable[[], Listener]
) -> None:
    stays, leaves = listen(), listen()
    source.say({"a": 1})
    assert await next_of(stays) == await next_of(leaves) == {"a": 1}
    waiting = asyncio.create_task(next_of(leaves))
    await asyncio.sleep(0)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    source.say({"a": 2})
    assert await next_of(stays) == {"a": 2}
    assert (source.starts, source.running) == (1, 1)


async def test_a_source_that_says_nothing_can_be_left_too(source: ToldSource[Numbers]) -> None:
    broadcast = Broadcast(source.items)
    async with aclosing(broadcast.listen()) as listener:
        waiting = asyncio.create_task(next_of(listener))
        await source.until_running(1)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    await source.until_running(0)


async def test_a_signal_wakes_all_who_wait_and_nobody_who_comes_later() -> None:
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    signal.fire()
    late = asyncio.create_task(signal.wait())
    async with asyncio.timeout(SOON_SECONDS):
        await asyncio.gather(*waiting)
    assert not late.done()
    signal.fire()
    async with asyncio.timeout(SOON_SECONDS):
        await late
