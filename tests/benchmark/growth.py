"""Growth: what the ordinary lane, lists, memory and a backlog are like among many final transfers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import loader
import psycopg
from benchmark.backlog import measure_backlog
from benchmark.growth_results import GrowthResults
from benchmark.load import run_all
from benchmark.memory import measure_memory
from benchmark.pages import measure_pages
from benchmark.results import Results
from benchmark.rounds import Plan, run_rounds
from benchmark.worlds import EmbeddedWorld

LANES: Final = ("floor", "post")
_BY_POST: Final = 20
"""One in so many, at least, gets into the system as a client would bring it, under the load that memory is looked at
with; the others are written as rows."""


@dataclass(frozen=True)
class GrowthPlan:
    """`transfers`: how many the system is filled with. Memory and backlog aren't measured where theirs is 0."""

    lanes: Plan
    transfers: int
    pages: int
    """Of each list and place."""
    load_seconds: float
    backlog: int


async def measure_growth(
    world: EmbeddedWorld, plan: GrowthPlan, *, say: Callable[[str], None]
) -> AsyncIterator[GrowthResults]:
    """The same results after each part, with one part more."""
    found = GrowthResults(before=Results.of_now(world.name), after=Results.of_now(world.name))
    await run_rounds(world, plan.lanes, found=found.before, say=say)
    most, by_post = max(plan.lanes.loads), plan.transfers // _BY_POST
    say(f"Filling: {plan.transfers:,} transfers")
    await _load_rows(world, plan.transfers - by_post)
    if plan.load_seconds:
        found.memory = await measure_memory(world, seconds=plan.load_seconds, at_once=most)
        by_post -= found.memory.transfers
        yield found
    await run_all(world.lanes["post"], max(0, by_post), at_once=most)
    found.transfers = await asyncio.to_thread(_final_transfers, world.database_url("accounts"))
    await run_rounds(world, plan.lanes, found=found.after, say=say)
    yield found
    found.pages = await measure_pages(world, count=plan.pages)
    yield found
    if plan.backlog:
        saturated = found.after.middle("post", most, "per_second")
        found.backlog = await measure_backlog(world, transfers=plan.backlog, saturated_per_second=saturated)
        yield found


async def _load_rows(world: EmbeddedWorld, transfers: int) -> None:
    wanted = loader.Load(completed=transfers * 8 // 10)
    await asyncio.to_thread(loader.load, world.database_url("accounts"), world.database_url("ledger"), wanted)


def _final_transfers(accounts_url: str) -> int:
    with psycopg.connect(accounts_url) as connection:
        row = connection.execute("SELECT count(final_status) FROM transfers").fetchone()
    return int(row[0]) if row else 0
