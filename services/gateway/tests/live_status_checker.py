"""A status-checker of whose streams a test is the author; it can die, and come back on the same port."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from event_client import SOON_SECONDS
from fastapi import FastAPI, Request, Response
from http_servers import closed_port_url, serving
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app
from service_runtime.problems import Problem
from service_runtime.streams import json_lines
from transfer_contract.http import Overview, ProblemCode
from transfer_contract.names import Process
from transfer_contract.transfers import TransferOrder, TransferStatus, TransferView

LOOK_SECONDS: Final = 0.01


class LiveStatusChecker:
    """Served from another thread, so it looks at what the test has written instead of being told of it."""

    def __init__(self) -> None:
        self.url = closed_port_url()
        self.views: dict[str, TransferView] = {}
        self.overviews: list[Overview] = []
        """Told one after the other, from the first one on to everybody who comes."""
        self.open_streams = 0
        self.begun_streams = 0
        self._running = ExitStack()

    def reset(self) -> None:
        """Alive, with nothing to tell."""
        self.die()
        self.views, self.overviews, self.begun_streams = {}, [], 0
        self.start()

    def start(self) -> None:
        self._running.enter_context(serving(self._app(), port=int(self.url.rsplit(":", 1)[1])))

    def die(self) -> None:
        self._running.close()

    def make_transfer(self) -> str:
        order = TransferOrder(
            transfer_id=str(uuid4()),
            source_account="alice",
            destination_account="bob",
            amount_minor=2500,
            currency="EUR",
            reference="rent",
        )
        view = TransferView.accepted(order, created_at=datetime.now(UTC))
        self.views[view.id] = view
        return view.id

    def change(self, transfer_id: str, status: TransferStatus) -> TransferView:
        finished_at = datetime.now(UTC) if status.is_final else None
        changed = self.views[transfer_id].model_copy(update={"status": status, "finished_at": finished_at})
        self.views[transfer_id] = changed
        return changed

    async def until_followed(self) -> None:
        await self._until_streams(1)

    async def until_unfollowed(self) -> None:
        await self._until_streams(0)

    async def _until_streams(self, count: int) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            while self.open_streams != count:  # noqa: ASYNC110 - another thread counts them
                await asyncio.sleep(LOOK_SECONDS)

    def _app(self) -> FastAPI:
        app = create_app(Process.STATUS_CHECKER, {}, registry=CollectorRegistry())

        @app.get("/transfers/{transfer_id}")
        async def look(transfer_id: str) -> TransferView:
            return self._view(transfer_id)

        @app.get("/transfers/{transfer_id}/events")
        async def follow_transfer(request: Request, transfer_id: str) -> Response:
            self._view(transfer_id)
            return json_lines(request, self._follow(transfer_id))

        @app.get("/events")
        async def follow_overview(request: Request) -> Response:
            return json_lines(request, self._overviews())

        return app

    def _view(self, transfer_id: str) -> TransferView:
        if transfer_id not in self.views:
            raise Problem(ProblemCode.NOT_FOUND, f"There is no transfer {transfer_id}.")
        return self.views[transfer_id]

    async def _follow(self, transfer_id: str) -> AsyncGenerator[TransferView]:
        told = None
        with self._stream():
            while True:
                view = self._view(transfer_id)
                if view != told:
                    told = view
                    yield view
                if view.status.is_final:
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def _overviews(self) -> AsyncGenerator[Overview]:
        told = 0
        with self._stream():
            while True:
                for overview in self.overviews[told:]:
                    yield overview
                    told += 1
                await asyncio.sleep(LOOK_SECONDS)

    @contextmanager
    def _stream(self) -> Iterator[None]:
        self.open_streams += 1
        self.begun_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
