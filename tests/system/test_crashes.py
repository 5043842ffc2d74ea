"""Each HTTP process crashes: it comes back by itself, and a client that repeats its request gets one transfer."""

import asyncio
import signal
from collections import Counter
from typing import Final

import httpx
import pytest
from system.public_api import Json, PublicApi, new_transfer
from system.running_system import HTTP_PROCESSES, RunningSystem

pytestmark = pytest.mark.system

CLIENTS: Final = 5
BETWEEN_CRASHES_SECONDS: Final = 0.5
BETWEEN_REQUESTS_SECONDS: Final = 0.2


async def test_requests_that_are_repeated_through_crashes_are_one_transfer_each(system: RunningSystem) -> None:
    """SIGKILL past the process manager, one process after the other, while clients go on repeating their requests."""
    api = system.api
    source, destination = await api.open_pair()
    over = asyncio.Event()
    clients = [
        asyncio.create_task(_repeat(api, new_transfer(source, destination), f"crash-{number}", over))
        for number in range(CLIENTS)
    ]
    pids = {}
    for name in HTTP_PROCESSES:
        pids[name] = await system.signal(name, signal.SIGKILL)
        await asyncio.sleep(BETWEEN_CRASHES_SECONDS)
    await asyncio.gather(*(system.until_started_again(name, instead_of=pids[name]) for name in HTTP_PROCESSES))
    over.set()
    answers = await asyncio.gather(*clients)
    for seen in answers:
        assert seen.statuses.keys() <= {202, 503}
        assert len(seen.transfer_ids) == 1
    transfers = await api.final_all([transfer_id for seen in answers for transfer_id in seen.transfer_ids])
    assert {transfer["status"] for transfer in transfers} == {"completed"}
    assert len(await api.all_items("/transfers", account=destination)) == CLIENTS
    assert await api.money(destination) == (f"{CLIENTS}.00", "0.00")


class _Seen:
    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.transfer_ids: set[str] = set()
        self.unanswered = 0


async def _repeat(api: PublicApi, body: Json, key: str, over: asyncio.Event) -> _Seen:
    """Until it is over, and once more to a good end."""
    seen = _Seen()
    while True:
        last = over.is_set()
        try:
            response = await api.http.post("/transfers", json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            seen.unanswered += 1
        else:
            seen.statuses[response.status_code] += 1
            if response.status_code == 202:
                seen.transfer_ids.add(response.json()["id"])
                if last:
                    return seen
        await asyncio.sleep(BETWEEN_REQUESTS_SECONDS)
