"""What the product is held to, and what a run has found of it: ratios of what ran side by side, where possible."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmark.bulk_results import Bulk
from benchmark.results import Results
from benchmark.tables import Rows


@dataclass(frozen=True)
class Goal:
    text: str
    lanes: frozenset[str]
    value: Callable[[Results], float]
    limit: float
    is_at_least: bool
    only_in: str | None = None
    """The world that it holds for, where not for all."""

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.is_at_least else value <= self.limit


def _saturated(lane: str, other: str) -> Callable[[Results], float]:
    return lambda found: found.ratio(lane, other, found.loads[-1], "per_second")


GOALS: Final = (
    Goal("saga / floor: transfers a second", frozenset({"saga", "floor"}), _saturated("saga", "floor"), 0.95, True),
    Goal(
        "saga / floor: p50, one at a time",
        frozenset({"saga", "floor"}),
        lambda found: found.ratio("saga", "floor", 1, "p50_ms"),
        1.15,
        is_at_least=False,
    ),
    Goal(
        "post minus saga: p50 in ms, one at a time",
        frozenset({"saga", "post"}),
        lambda found: found.difference("post", "saga", 1, "p50_ms"),
        5,
        is_at_least=False,
    ),
    Goal("saga / sample: transfers a second", frozenset({"saga", "sample"}), _saturated("saga", "sample"), 2.2, True),
    Goal(
        "saga: p50 in ms, one at a time",
        frozenset({"saga"}),
        lambda found: found.middle("saga", 1, "p50_ms"),
        70,
        is_at_least=False,
        only_in="embedded",
    ),
    Goal(
        "post: p50 in ms, one at a time",
        frozenset({"post"}),
        lambda found: found.middle("post", 1, "p50_ms"),
        70,
        is_at_least=False,
        only_in="embedded",
    ),
)

_COMPARED: Final = (("saga", "floor"), ("post", "floor"), ("saga", "sample"))
ALLOWED_FALL: Final = 0.3


def goals(found: Results) -> Rows:
    body = []
    for goal in GOALS:
        is_for_this = goal.only_in in (None, found.world)
        if is_for_this and goal.lanes <= {*found.lanes} and 1 in found.loads:
            value = goal.value(found)
            limit = f"{'≥' if goal.is_at_least else '≤'} {goal.limit:g}"
            body.append([goal.text, f"{value:.2f}", limit, "met" if goal.is_met(value) else "missed"])
    return Rows(f"Goals ({found.world})", ["", "measured", "goal", ""], body)


def ratios_of(found: Results, bulk: Sequence[Bulk]) -> dict[str, float]:
    """Transfers a second of one lane by another's, by name. The bulk lane's, where it was measured, by the floor's."""
    ratios = {f"{lane} / {other}": _saturated(lane, other)(found) for lane, other in _COMPARED}
    if bulk:
        floor = found.middle("floor", found.loads[-1], "per_second")
        ratios["bulk / floor"] = median(one.per_second for one in bulk) / floor
    return ratios


def compared(now: Mapping[str, float], recorded: Mapping[str, float]) -> Rows:
    body = [[name, f"{now[name]:.2f}", f"{then:.2f}"] for name, then in recorded.items()]
    return Rows("Ratios of transfers a second", ["", "now", "recorded"], body)


def fallen(now: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """A sentence for each ratio that lies more than `ALLOWED_FALL` below the recorded one."""
    return [
        f"{name}: {now[name]:.2f} transfers a second, recorded {then:.2f}"
        for name, then in recorded.items()
        if now[name] < then * (1 - ALLOWED_FALL)
    ]
