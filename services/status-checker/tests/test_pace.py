import asyncio
import time

from status_checker.pace import Pace


async def test_no_more_turns_are_given_than_the_pace_allows() -> None:
    pace, began = Pace(per_second=100), time.monotonic()
    await asyncio.gather(*(pace.turn() for _ in range(20)))
    assert time.monotonic() - began >= 20 / 100


async def test_first_come_first_served() -> None:
    pace = Pace(per_second=200)
    served: list[int] = []

    async def come(number: int) -> None:
        await pace.turn()
        served.append(number)

    await asyncio.gather(*map(come, range(5)))
    assert served == list(range(5))


async def test_who_leaves_the_queue_holds_nobody_up() -> None:
    pace = Pace(per_second=50)
    coming = [asyncio.create_task(pace.turn()) for _ in range(4)]
    await asyncio.sleep(0)
    coming[0].cancel()
    coming[2].cancel()
    async with asyncio.timeout(5):
        done = await asyncio.gather(*coming, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in done] == [True, False, True, False]
