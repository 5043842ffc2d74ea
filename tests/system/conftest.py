"""One running system for all tests of this folder, and an order in which the slow scenarios run beside the others."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from system.order_of_tests import put_in_order
from system.public_api import PublicApi
from system.running_system import RunningSystem, running_system
from system.scenario_journeys import Journeys

_ORDER: Final = (
    "test_what_outlives_a_workflow",
    "test_bad_input",
    "test_bad_parameters",
    "test_bad_requests_on_the_wire",
    "test_http_contract",
    "test_http_contract_of_refusals",
    "test_http_contract_of_accounts",
    "test_http_contract_of_lists",
    "test_http_contract_of_operations",
    "test_concurrency",
    "test_batches",
    "test_scenarios",
    "test_killing_workers",
    "test_events",
    "test_many_streams",
    "test_reconciler",
    "test_crashes",
    "test_outages",
)
"""First what can run beside the scenarios, which take 40 s, then these, then what kills. All else comes before."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items, Path(__file__).parent, _ORDER)


@dataclass
class _Running:
    system: RunningSystem
    journeys: Journeys


@pytest.fixture(scope="session")
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[_Running]:
    """With the journeys on their way from the first test on, where a test of this run asks for them."""
    folder = tmp_path_factory.mktemp("system") / "local"
    async with running_system(folder) as system, Journeys(system.api) as journeys:
        if any("journeys" in getattr(item, "fixturenames", ()) for item in request.session.items):
            journeys.start()
        yield _Running(system, journeys)


@pytest.fixture(scope="session")
def system(running: _Running) -> RunningSystem:
    return running.system


@pytest.fixture(scope="session")
def api(system: RunningSystem) -> PublicApi:
    return system.api


@pytest.fixture(scope="session")
def journeys(running: _Running) -> Journeys:
    return running.journeys
