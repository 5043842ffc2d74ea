"""The benchmark's second world: `make benchmark` measures it where there is Docker, and CI's smoke doesn't."""

from pathlib import Path

import pytest
from benchmark.bulk import measure_shape
from benchmark.bulk_results import Shape
from benchmark.compose_world import compose_world
from benchmark.load import measure
from benchmark.worlds import NotHere

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


async def test_every_lane_runs_on_containers_and_each_ones_processor_time_is_seen(tmp_path: Path) -> None:
    try:
        async with compose_world(tmp_path) as world:
            for lane in ("floor", "saga", "post"):
                window = await measure(world.lanes[lane], at_once=4, seconds=2, pids=world.pids)
                workers = ("workflow-worker", "account-worker", "ledger-worker")
                if lane == "floor":
                    workers = ("floor transfers", "floor accounts", "floor ledger")
                assert all(window.cpu_ms[name] > 0 for name in (*workers, "temporal", "postgres")), window
            batch = await measure_shape(world, Shape("one of 100", 1, 100))
            assert batch.most_mib["gateway"] > 0
    except NotHere as reason:
        pytest.skip(str(reason))
