"""The growth benchmark's own arithmetic: what counts as flat, as the same, as a timeout, and how it is told."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from benchmark import documentation, growth_results, growth_tables
from benchmark.backlog import attempts
from benchmark.growth_results import Attempts, Backlog, GrowthResults, Memory, Page
from benchmark.load import Window, run_all
from benchmark.pages import places
from benchmark.process_cpu import family_bytes
from benchmark.results import Measured, Results
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo
from temporalio.api.history.v1 import ActivityTaskStartedEventAttributes, HistoryEvent

MIB: Final = 1024 * 1024
HALF_AN_HOUR: Final = 1800.0
DRAINED: Final = Backlog(
    transfers=5000, completed=5000, unfinished=0, drained_seconds=100, saturated_per_second=50,
    attempts=Attempts(steps=20_000, tasks=25_000), violations=0,
)  # fmt: skip


def lane(p50_ms: float, per_second: float, *, floor_p50_ms: float = 40) -> Results:
    def window(p50_ms: float, per_second: float) -> Window:
        return Window(1, 100, per_second, p50_ms, p50_ms * 1.5, {"gateway": 1.0}, 0.1)

    measured = [Measured(0, "post", window(p50_ms, per_second)), Measured(0, "floor", window(floor_p50_ms, 25))]
    return Results("embedded", "2026-01-01T00:00:00+00:00", "abc", "2 processors", measured)


def grown(**parts: Any) -> GrowthResults:
    found = GrowthResults(before=lane(60, 20), after=lane(63, 19), transfers=200_000)
    return replace(found, **parts)


def memory(samples: Sequence[float]) -> Memory:
    return Memory(HALF_AN_HOUR, 60_000, {"gateway": samples})


def judged(cells: Sequence[str]) -> str:
    return "".join({*cells} & {"met", "missed"})


def started(attempt: int, *, after_a_timeout: bool) -> HistoryEvent:
    failure = Failure(timeout_failure_info=TimeoutFailureInfo()) if after_a_timeout else None
    return HistoryEvent(
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
        activity_task_started_event_attributes=ActivityTaskStartedEventAttributes(
            attempt=attempt, last_failure=failure
        ),
    )


def test_memory_that_goes_up_and_down_is_flat_and_memory_that_keeps_an_id_a_transfer_is_not() -> None:
    assert memory([70.0, 74.0, 69.0, 73.0] * 15).trend("gateway").is_flat
    leaking = memory([70 + 60_000 * 150 / MIB * number / 59 for number in range(60)]).trend("gateway")
    assert not leaking.is_flat
    assert leaking.bytes_a_transfer == pytest.approx(150, rel=0.03)
    assert leaking.mib_an_hour == pytest.approx(2 * 60_000 * 150 / MIB, rel=0.01)


def test_memory_that_shrinks_is_flat() -> None:
    assert memory([float(90 - number) for number in range(60)]).trend("gateway").is_flat


def test_pages_are_asked_for_from_the_first_one_to_the_last_full_one() -> None:
    cursors = [str(number) for number in range(201)]
    found = places(cursors, limit=20, count=4)
    assert found == {
        "newest": [None, None, None, None],
        "anywhere": ["0", "45", "90", "135"],
        "oldest": ["180", "180", "180", "180"],
    }


def test_a_list_of_one_page_has_no_other_places() -> None:
    assert places(["0", "1"], limit=20, count=2) == {"newest": [None, None]}


def test_attempts_that_timed_out_are_counted_whatever_came_of_them() -> None:
    events = [
        HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
        HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT),
        HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
        started(1, after_a_timeout=False),
        started(2, after_a_timeout=False),
        started(3, after_a_timeout=True),
        HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT),
    ]
    assert attempts(events) == Attempts(steps=3, repeated=3, timed_out=3, tasks=2, tasks_timed_out=1)


def test_a_figure_within_a_tenth_is_met_and_one_beyond_is_missed() -> None:
    p50, _, rate = growth_tables.lane(grown()).body
    assert p50 == ["1 at once: p50 ms", "60.0", "63.0", "1.05", "≤ 1.1", "met", "1.00"]
    assert rate[3:6] == ["0.95", "≥ 0.9", "met"]
    slower = growth_tables.lane(grown(after=lane(67, 17.5, floor_p50_ms=44)))
    assert [judged(cells) for cells in slower.body] == ["missed", "missed", "missed"]
    assert slower.body[0][-1] == "1.10"
    faster = growth_tables.lane(grown(after=lane(30, 40)))
    assert [judged(cells) for cells in faster.body] == ["met", "met", "met"]


def test_a_slow_page_is_missed() -> None:
    told = growth_tables.pages(
        [Page("all", "oldest", 20, 100, 20, 50), Page("rejected", "anywhere", 20, 100, 20, 50.1)]
    )
    assert [judged(cells) for cells in told.body] == ["met", "missed"]


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        (DRAINED, set()),
        (replace(DRAINED, drained_seconds=120), {"drained / saturated"}),
        (replace(DRAINED, unfinished=1, completed=4999), {"not final", "completed"}),
        (
            replace(DRAINED, attempts=Attempts(steps=20_000, repeated=1, timed_out=1, tasks=25_000)),
            {"of 20000 steps: attempts timed out"},
        ),
        (
            replace(DRAINED, attempts=Attempts(steps=20_000, tasks=25_000, tasks_timed_out=251)),
            {"of 25000 workflow tasks: timed out"},
        ),
        (replace(DRAINED, violations=2), {"wrong in the books"}),
    ],
)
def test_a_backlog_misses_what_it_misses(measured: Backlog, missed: set[str]) -> None:
    assert {cells[0] for cells in growth_tables.backlog(measured).body if judged(cells) == "missed"} == missed


def test_results_are_the_same_after_json(tmp_path: Path) -> None:
    whole = grown(pages=[Page("all", "newest", 20, 100, 9.5, 12)], memory=memory([1.0, 2.0, 3.0]), backlog=DRAINED)
    for found in (grown(), whole):
        growth_results.save(tmp_path / "growth.json", found)
        assert growth_results.load(tmp_path / "growth.json") == found


def test_the_page_has_a_place_for_each_part_and_keeps_what_is_not_recorded(tmp_path: Path) -> None:
    whole = grown(pages=[Page("all", "newest", 20, 100, 9.5, 12)], memory=memory([1.0, 2.0, 3.0]), backlog=DRAINED)
    growth_results.save(tmp_path / "embedded-growth.json", whole)
    made, page = documentation.blocks(tmp_path), documentation.PAGE.read_text()
    assert {f"embedded growth {part}" for part in ("machine", "lane", "pages", "memory", "backlog")} == {*made}
    filled = documentation.filled(page, made)
    for block in made.values():
        assert block in filled
    assert documentation.filled(page, {}) == page
    growth_results.save(tmp_path / "embedded-growth.json", grown())
    assert documentation.blocks(tmp_path)["embedded growth memory"] == "Not measured in this run.\n"


async def test_so_many_are_run_each_once_and_no_more_at_once_than_told() -> None:
    under_way, most = 0, 0
    seen = []

    async def transfer(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        seen.append(number)
        under_way -= 1

    await run_all(transfer, 20, at_once=3)
    assert sorted(seen) == [*range(20)]
    assert most == 3


def test_a_familys_memory_has_that_of_its_children() -> None:
    before = family_bytes({"this": os.getpid()})["this"]
    hold = "x = b'1' * 40_000_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        grew = family_bytes({"this": os.getpid()})["this"] - before
        child.communicate(b"\n")
    assert grew > 35_000_000
