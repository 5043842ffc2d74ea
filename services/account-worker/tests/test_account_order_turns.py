"""How many orders of batches account-api holds at once. Nothing here gets as far as a database."""

import asyncio

import httpx
from account_worker.batches_api import batches_router
from fastapi import FastAPI
from held_bodies import HeldBodies
from service_runtime.database import create_database_engine
from transfer_contract.batches import ORDERS_AT_ONCE


async def test_no_more_orders_are_read_than_are_taken_in_side_by_side() -> None:
    app = FastAPI()
    app.include_router(batches_router(create_database_engine("postgresql+psycopg://nowhere/nothing", pool_size=1)))
    bodies = HeldBodies(b"no order")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://account-api") as client:
        posts = [
            asyncio.create_task(client.post("/transfer-batches", content=bodies.body()))
            for _ in range(ORDERS_AT_ONCE + 2)
        ]
        await bodies.settle()
        assert bodies.begun == ORDERS_AT_ONCE
        bodies.let_go()
        assert {answer.status_code for answer in await asyncio.gather(*posts)} == {422}
