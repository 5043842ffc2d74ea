"""The schedule of faults: the same for the same seed, complete, and never everything at once."""

from typing import Final

import pytest
from chaos import topology
from chaos.schedule import FaultKind, schedule, targets

ALL: Final = tuple(FaultKind)
HOUR: Final = 3600.0


def test_the_same_seed_makes_the_same_schedule() -> None:
    assert schedule(7, HOUR, ALL) == schedule(7, HOUR, ALL)
    assert schedule(7, HOUR, ALL) != schedule(8, HOUR, ALL)


@pytest.mark.parametrize("docker", [True, False])
def test_an_hour_holds_every_kind_on_every_target_many_times(*, docker: bool) -> None:
    faults = schedule(1, HOUR, ALL, docker=docker)
    assert {fault.kind for fault in faults} == set(ALL)
    assert {fault.target for fault in faults} >= {*topology.PROCESSES, *topology.servers(docker=docker)}
    counts = [sum(fault.kind is kind for fault in faults) for kind in ALL]
    assert min(counts) >= 10


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
