"""The schedule of faults: the same for the same seed, complete, and never everything at once."""

from collections import Counter
from typing import Final

import pytest
from chaos import topology
from chaos.schedule import FaultKind, schedule, targets

ALL: Final = tuple(FaultKind)
HOUR: Final = 3600.0
SEEDS: Final = range(20)
LINK_KINDS: Final = frozenset(kind for kind in ALL if kind.startswith("link_"))


def test_the_same_seed_makes_the_same_schedule() -> None:
    assert schedule(7, HOUR, ALL) == schedule(7, HOUR, ALL)
    assert schedule(7, HOUR, ALL) != schedule(8, HOUR, ALL)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("docker", [True, False])
def test_an_hour_holds_every_kind_many_times_and_on_all_its_targets(seed: int, *, docker: bool) -> None:
    """But for the kinds of link faults: a link gets three of the five."""
    met = Counter((fault.kind, fault.target) for fault in schedule(seed, HOUR, ALL, docker=docker))
    for kind in ALL:
        assert sum(met[kind, target] for target in targets(kind, docker=docker)) >= 10
    for kind in set(ALL) - LINK_KINDS:
        assert all(met[kind, target] for target in targets(kind, docker=docker))
    for link in topology.links(docker=docker):
        assert sum(met[kind, link] > 0 for kind in LINK_KINDS) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kind_comes_to_a_target_again_when_it_has_come_to_all(seed: int) -> None:
    for kind in ALL:
        met = Counter(fault.target for fault in schedule(seed, HOUR, ALL) if fault.kind is kind)
        counts = [met[target] for target in targets(kind)]
        assert max(counts) - min(counts) <= 1


def test_which_target_comes_when_is_another_with_another_seed() -> None:
    firsts = {
        next(fault.target for fault in schedule(seed, HOUR, ALL) if fault.kind is FaultKind.PROCESS_KILL)
        for seed in SEEDS
    }
    assert len(firsts) > len(topology.PROCESSES) // 2


def test_three_minutes_hold_every_kind_nearly() -> None:
    kinds = {fault.kind for fault in schedule(1, 180, ALL)}
    assert len(kinds) >= len(ALL) * 3 // 4


def test_a_target_is_one_that_the_kind_can_break() -> None:
    assert all(fault.target in targets(fault.kind) for fault in schedule(3, HOUR, ALL))


def test_faults_are_in_order_and_over_in_time() -> None:
    faults = schedule(3, 300, ALL)
    assert [fault.at_seconds for fault in faults] == sorted(fault.at_seconds for fault in faults)
    assert all(fault.at_seconds > 0 and fault.at_seconds + fault.for_seconds <= 300 for fault in faults)


def test_no_more_than_two_faults_are_there_at_once_and_there_are_times_without_any() -> None:
    faults = schedule(5, HOUR, ALL)
    begins = [(fault.at_seconds, 1) for fault in faults]
    ends = [(fault.at_seconds + fault.for_seconds, -1) for fault in faults]
    present, quiet_seconds, last = 0, 0.0, 0.0
    for at, change in sorted([*begins, *ends]):
        quiet_seconds += (at - last) if present == 0 else 0
        present, last = present + change, at
        assert present <= 2
    assert quiet_seconds > HOUR / 20


def test_a_freeze_takes_from_one_to_thirty_seconds() -> None:
    freezes = [fault.for_seconds for fault in schedule(2, HOUR, [FaultKind.PROCESS_FREEZE])]
    assert min(freezes) < 4
    assert max(freezes) > 25
    assert all(1 <= seconds <= 30 for seconds in freezes)


def test_the_only_kind_asked_for_comes_alone() -> None:
    assert {fault.kind for fault in schedule(2, 120, [FaultKind.LINK_CUT])} == {FaultKind.LINK_CUT}
