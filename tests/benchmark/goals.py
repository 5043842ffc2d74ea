"""What the product is held to, and what a run has found of it: ratios of what ran side by side, where possible."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmark.results import Results
from benchmark.tables import Rows


@dataclass(frozen=True)
class Goal:
    text: str
    lanes: frozenset[str]
    value: Callable[[Results], float]
    limit: float
    is_at_least: bool

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
        False,
    ),
    Goal(
        "post: p50 in ms, one at a time",
        frozenset({"post"}),
        lambda found: found.middle("post", 1, "p50_ms"),
        70,
        False,
    ),
)

_RECORDED_RATIOS: Final = (("saga", "floor"), ("post", "floor"), ("saga", "sample"))
ALLOWED_FALL: Final = 0.3


def goals(found: Results) -> Rows:
    body = []
    for goal in GOALS:
        if goal.lanes <= {*found.lanes} and 1 in found.loads:
            value = goal.value(found)
            limit = f"{'≥' if goal.is_at_least else '≤'} {goal.limit:g}"
            body.append([goal.text, f"{value:.2f}", limit, "met" if goal.is_met(value) else "missed"])
    return Rows(f"Goals ({found.world})", ["", "measured", "goal", ""], body)


def ratios(found: Results, recorded: Results) -> Rows:
    body = [
        [f"{lane} / {other}", *(f"{_saturated(lane, other)(results):.2f}" for results in (found, recorded))]
        for lane, other in _RECORDED_RATIOS
    ]
    return Rows("Ratios of transfers a second", ["", "now", "recorded"], body)


def fallen(found: Results, recorded: Results) -> list[str]:
    """A sentence for each ratio of throughputs that lies more than `ALLOWED_FALL` below the recorded one."""
    sentences = []
    for lane, other in _RECORDED_RATIOS:
        now, then = (_saturated(lane, other)(results) for results in (found, recorded))
        if now < then * (1 - ALLOWED_FALL):
            sentences.append(f"{lane} / {other}: {now:.2f} transfers a second, recorded {then:.2f}")
    return sentences
