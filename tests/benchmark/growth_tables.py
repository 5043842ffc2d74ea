"""What was measured in a system that has grown, as tables, each with its goals: met or missed."""

from collections.abc import Mapping
from typing import Final

from benchmark.growth_results import Backlog, GrowthResults, Memory, Page
from benchmark.tables import Rows

WITHIN: Final = 0.1
"""A figure may be so much worse than before; so may the rate of draining be than the saturated one."""

PAGE_P95_MS: Final = 50
FEW_TASKS: Final = 0.01
"""Of the workflow tasks, that may time out: one that waits a second for the worker that has its history in memory goes
to any worker. It costs a replay; a storm is where the replays are the work."""

_FIGURES: Final = {"p50_ms": "p50 ms", "p95_ms": "p95 ms", "per_second": "per s"}


PARTS: Final = ("memory", "lane", "pages", "backlog")


def told(found: GrowthResults) -> Mapping[str, Rows]:
    """By part, in the order in which they are measured: those of which there is something to tell."""
    rows = {}
    if found.memory:
        rows["memory"] = memory(found.memory)
    if found.after.measured:
        rows["lane"] = lane(found)
    if found.pages:
        rows["pages"] = pages(found.pages)
    if found.backlog:
        rows["backlog"] = backlog(found.backlog)
    return rows


def lane(found: GrowthResults) -> Rows:
    """The floor has no rows to find: what it has become slower by is Temporal's, or the machine's."""
    body = []
    for load in found.after.loads:
        for figure, name in _FIGURES.items():
            before, after, floor_before, floor_after = (
                results.middle(lane, load, figure)
                for lane in ("post", "floor")
                for results in (found.before, found.after)
            )
            ratio, floor_ratio = after / before, floor_after / floor_before
            is_rate = figure == "per_second"
            limit = 1 - WITHIN if is_rate else 1 + WITHIN
            is_met = ratio >= limit if is_rate else ratio <= limit
            cells = [f"{load} at once: {name}", f"{before:.1f}", f"{after:.1f}", f"{ratio:.2f}"]
            body.append([*cells, f"{'≥' if is_rate else '≤'} {limit:g}", _judged(is_met), f"{floor_ratio:.2f}"])
    head = ["", "before", "after", "after / before", "goal", "", "floor: after / before"]
    return Rows(f"POST before and after: among {found.transfers:,} final transfers", head, body)


def pages(measured: list[Page]) -> Rows:
    body = [
        [
            page.list,
            page.place,
            str(page.items),
            f"{page.p50_ms:.1f}",
            f"{page.p95_ms:.1f}",
            f"≤ {PAGE_P95_MS}",
            _judged(page.p95_ms <= PAGE_P95_MS),
        ]
        for page in measured
    ]
    return Rows("GET /transfers", ["list", "page", "items", "p50 ms", "p95 ms", "goal", ""], body)


def memory(measured: Memory) -> Rows:
    body = []
    for name in measured.mib:
        trend = measured.trend(name)
        cells = [
            f"{trend.first:.1f}",
            f"{trend.last:.1f}",
            f"{trend.mib_an_hour:+.1f}",
            f"{trend.bytes_a_transfer:+.0f}",
        ]
        body.append([name, *cells, "flat", _judged(trend.is_flat)])
    head = ["", "first third MiB", "last third MiB", "MiB an hour", "bytes a transfer", "goal", ""]
    title = f"Memory over {measured.seconds / 60:.0f} minutes of load, {measured.transfers:,} transfers"
    return Rows(title, head, body)


def backlog(measured: Backlog) -> Rows:
    attempts, rate = measured.attempts, measured.per_second / measured.saturated_per_second
    saturated = f"saturated: {measured.saturated_per_second:.1f}"
    few = FEW_TASKS * attempts.tasks
    body = [
        ["drained: transfers/s", f"{measured.per_second:.1f}", saturated, ""],
        ["drained / saturated", f"{rate:.2f}", f"≥ {1 - WITHIN:g}", _judged(rate >= 1 - WITHIN)],
        ["not final", str(measured.unfinished), "0", _judged(measured.unfinished == 0)],
        [
            "completed",
            str(measured.completed),
            str(measured.transfers),
            _judged(measured.completed == measured.transfers),
        ],
        [
            f"of {attempts.steps} steps: attempts timed out",
            str(attempts.timed_out),
            "0",
            _judged(attempts.timed_out == 0),
        ],
        [f"of {attempts.steps} steps: attempts repeated", str(attempts.repeated), "", ""],
        [
            f"of {attempts.tasks} workflow tasks: timed out",
            str(attempts.tasks_timed_out),
            f"≤ {few:.0f}",
            _judged(attempts.tasks_timed_out <= few),
        ],
        ["wrong in the books", str(measured.violations), "0", _judged(measured.violations == 0)],
    ]
    return Rows(f"A backlog of {measured.transfers:,}", ["", "measured", "goal", ""], body)


def _judged(is_met: bool) -> str:
    return "met" if is_met else "missed"
