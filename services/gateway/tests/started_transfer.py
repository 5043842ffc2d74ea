"""The transfer that most tests of transfers begin with."""

import httpx
from sample_bodies import new_transfer
from transfer_contract.identity import transfer_id_from_key

KEY = {"Idempotency-Key": "rent-may"}
ID = transfer_id_from_key("rent-may")


async def started(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/transfers", json=new_transfer(), headers={**KEY, **headers})
