"""What is told of measured figures: which goals hold where, which ratios have fallen, how two worlds compare."""

import os
from pathlib import Path

import pytest
from benchmark import documentation, goals, results
from benchmark.bulk_results import SHAPES, Beside, Bulk, BulkResults, speed
from benchmark.compose_world import is_in_container
from benchmark.growth_results import GrowthResults
from benchmark.load import Window
from benchmark.results import Measured, Results


def ordinary(world: str = "embedded", **per_second: float) -> Results:
    """Each lane's transfers a second, at both ends of the loads."""
    found = Results(world, "2026-01-31T09:00:00+00:00", "abc1234", "2 processors")
    for lane, rate in per_second.items():
        for at_once in (1, 50):
            window = Window(at_once, 100, rate, 1000 / rate, 2000 / rate, {"gateway": 1.0}, 0.0)
            found.measured.append(Measured(0, lane, window))
    return found


def bulk(per_second: float, world: str = "embedded") -> BulkResults:
    measured = [
        Bulk(
            shape.name, shape.batches * shape.transfers / per_second, per_second, {"postgres": 100.0}, {"postgres": 50}
        )
        for shape in SHAPES
    ]
    return BulkResults(world, "2026-01-31T09:00:00+00:00", "abc1234", "2 processors", Beside(50, 80, 120), measured)


def test_a_ratio_has_fallen_below_seven_tenths_of_the_recorded_one_and_not_before() -> None:
    recorded = goals.ratios_of(ordinary(floor=30, saga=30, post=30, sample=10), [])
    assert recorded == {"saga / floor": 1, "post / floor": 1, "saga / sample": 3}
    just = ordinary(floor=30, saga=21.1, post=21.1, sample=7.1)
    assert goals.fallen(goals.ratios_of(just, []), recorded) == []
    below = ordinary(floor=30, saga=20.9, post=30, sample=7)
    assert goals.fallen(goals.ratios_of(below, []), recorded) == [
        "saga / floor: 0.70 transfers a second, recorded 1.00"
    ]


def test_a_slower_machine_has_the_same_ratios() -> None:
    recorded = goals.ratios_of(ordinary(floor=30, saga=28, post=27, sample=10), bulk(6000).bulk)
    now = goals.ratios_of(ordinary(floor=10, saga=28 / 3, post=9, sample=10 / 3), bulk(2000).bulk)
    assert now == pytest.approx(recorded)


def test_the_bulk_lanes_ratio_is_its_middle_batch_by_the_floor_and_falls_like_any_other() -> None:
    here = ordinary(floor=30, saga=30, post=30, sample=10)
    batches = [*bulk(9000).bulk[:1], *bulk(6000).bulk[:1], *bulk(10).bulk[:1]]
    recorded = goals.ratios_of(here, batches)
    assert recorded["bulk / floor"] == 200
    assert goals.fallen(goals.ratios_of(here, bulk(4300).bulk), recorded) == []
    [fallen] = goals.fallen(goals.ratios_of(here, bulk(4100).bulk), recorded)
    assert fallen.startswith("bulk / floor: 136.67")


def test_ratios_are_compared_with_what_is_recorded_and_only_with_that(tmp_path: Path) -> None:
    assert documentation.recorded_ratios(tmp_path) == {}
    found = ordinary(floor=30, saga=30, post=30, sample=10)
    results.save(tmp_path / "embedded.json", found)
    assert "bulk / floor" not in documentation.recorded_ratios(tmp_path)
    now = goals.ratios_of(found, bulk(1).bulk)
    assert goals.fallen(now, documentation.recorded_ratios(tmp_path)) == []
    documentation.save_bulk(tmp_path, bulk(6000))
    assert documentation.recorded_ratios(tmp_path)["bulk / floor"] == 200
    assert len(goals.fallen(now, documentation.recorded_ratios(tmp_path))) == 1


def test_the_goal_of_a_time_holds_for_the_embedded_world_and_those_of_ratios_for_both() -> None:
    told = {world: goals.goals(ordinary(world, floor=10, saga=10, post=10)).body for world in ("embedded", "compose")}
    assert [row[0] for row in told["embedded"] if row not in told["compose"]] == [
        "saga: p50 in ms, one at a time",
        "post: p50 in ms, one at a time",
    ]
    assert [row[-1] for row in told["compose"]] == ["met"] * 3


def test_batches_of_the_embedded_world_are_held_to_the_goals() -> None:
    assert [row[-1] for row in speed(bulk(5000)).body] == ["met"] * 4 + ["missed"]
    assert [row[-1] for row in speed(bulk(4999)).body] == ["missed", "met", "met", "met", "missed"]


def test_batches_of_the_other_world_are_held_to_the_embedded_ones() -> None:
    embedded = bulk(6000)
    assert [row[-1] for row in speed(bulk(4800, "compose"), embedded).body[:3]] == ["0.80, met"] * 3
    assert [row[-1] for row in speed(bulk(4200, "compose"), embedded).body[:3]] == ["0.70, missed"] * 3


def test_the_page_is_filled_from_both_worlds(tmp_path: Path) -> None:
    for world, rate in (("compose", 4800), ("embedded", 6000)):
        results.save(tmp_path / f"{world}.json", ordinary(world, floor=10, saga=10, post=10))
        documentation.save_bulk(tmp_path, bulk(rate, world))
    before, after = (ordinary(floor=10, saga=10, post=10) for _ in range(2))
    documentation.save_growth(tmp_path, GrowthResults(before, after))
    page = documentation.filled(documentation.PAGE.read_text(), documentation.blocks(tmp_path))
    assert "Not recorded yet" not in page
    assert "≥ 0.8 of embedded | 0.80, met" in page
    assert page == documentation.filled(page, documentation.blocks(tmp_path))


def test_a_process_that_only_has_the_number_of_a_containers_is_none_of_it() -> None:
    assert not is_in_container(os.getpid(), "4c01db0b339c" * 5)
    assert not is_in_container(2**22 + 1, "4c01db0b339c" * 5)
