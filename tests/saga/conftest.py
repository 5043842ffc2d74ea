from collections.abc import AsyncIterator

import pytest
from saga.harness import Harness
from temporalio.client import Client


@pytest.fixture
async def harness(temporal_client: Client) -> AsyncIterator[Harness]:
    harness = Harness(temporal_client)
    async with harness.workers():
        yield harness
