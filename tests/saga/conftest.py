from collections.abc import AsyncIterator

import pytest
from saga.harness import Harness
from saga.reconciling import Reconciler, reconciler_on
from temporalio.client import Client


@pytest.fixture
async def harness(temporal_client: Client) -> AsyncIterator[Harness]:
    harness = Harness(temporal_client)
    async with harness.workers():
        yield harness


@pytest.fixture
async def reconciler(temporal_client: Client) -> AsyncIterator[Reconciler]:
    """Its workers are the test's to start: some transfers begin before there are any."""
    async with reconciler_on(temporal_client) as reconciler:
        yield reconciler
