"""The faults that only Temporal on a database of its own can have, both from their images."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from chaos import topology
from chaos.chaos_cli import docker_works
from chaos.chaos_system import ChaosSystem, running_chaos_system
from chaos.schedule import FaultKind
from chaos.single_faults import inject_and_heal
from chaos.traffic import Traffic, traffic

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not docker_works(), reason="no Docker engine answers"),
]

K: Final = FaultKind
_LINK: Final = topology.link(topology.TEMPORAL, topology.TEMPORAL_DATABASE)
FAULTS: Final = (
    (K.SERVER_KILL, topology.TEMPORAL, 0),
    (K.SERVER_RESTART, topology.TEMPORAL, 0),
    (K.SERVER_FREEZE, topology.TEMPORAL_DATABASE, 3),
    (K.SERVER_KILL, topology.TEMPORAL_DATABASE, 0),
    (K.LINK_CUT, _LINK, 2),
    (K.LINK_DROP_ANSWERS, _LINK, 5),
    (K.DISK_FULL, topology.TEMPORAL_DATABASE, 5),
    (K.DATABASE_READ_ONLY, topology.TEMPORAL_DATABASE, 3),
)


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChaosSystem]:
    async with running_chaos_system(tmp_path_factory.mktemp("chaos"), docker=True) as running:
        yield running


@pytest.fixture(scope="module")
async def load(system: ChaosSystem) -> AsyncIterator[Traffic]:
    async with traffic(system) as running:
        yield running


@pytest.mark.parametrize(("kind", "target", "seconds"), FAULTS, ids=str)
async def test_a_fault_of_temporal_and_its_database_has_its_effect_and_afterwards_a_transfer_completes(
    system: ChaosSystem, load: Traffic, kind: FaultKind, target: str, seconds: float
) -> None:
    await inject_and_heal(system, load, kind, target, seconds)
