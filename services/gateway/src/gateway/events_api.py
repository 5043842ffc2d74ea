"""The public event streams: one transfer from change to change, and everything that the web page shows beside it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.sse import format_sse_event
from service_runtime.problems import Problem, unavailable
from service_runtime.streams import opened
from transfer_contract.http import ProblemCode
from transfer_contract.names import Process
from transfer_contract.transfers import TransferView

from gateway.downstream import Downstream
from gateway.event_stream import HEARTBEAT, MEDIA_TYPE, event, event_stream, reconnecting
from gateway.openapi import Responses, problems
from gateway.overview_feed import OverviewFeed
from gateway.parameters import TransferIdInPath
from gateway.response_models import Transfer
from gateway.strict_route import strict_router

_A_TRANSFER: Final = 'event: transfer\ndata: {"id": "…", "status": "running", …}\nid: 5f0c…\n\n'
_AN_OVERVIEW: Final = 'event: reconciliation\ndata: {"balanced": true, …}\n\n'

_HEARTBEAT_THAT_A_PAGE_SEES: Final = HEARTBEAT + format_sse_event(event="heartbeat", data_str="{}")
"""Comments are kept from scripts: a page couldn't tell a pause from a connection that has died silently."""

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=255, description="The `id` of the last event that you have")
]


def _stream(example: str) -> Responses:
    return {200: {"description": "The events", "content": {MEDIA_TYPE: {"example": example}}}}


class EventsApi:
    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream
        self._feed = OverviewFeed(downstream)

    def router(self) -> APIRouter:
        router = strict_router("events")
        gone: Responses = {204: {"description": "`Last-Event-ID` is the final one already: nothing will follow"}}
        router.get(
            "/transfers/{id}/events",
            response_class=Response,
            responses={**_stream(_A_TRANSFER), **gone, **problems(ProblemCode.NOT_FOUND)},
        )(self.follow_transfer)
        router.get("/events", response_class=Response, responses={**_stream(_AN_OVERVIEW), **problems()})(
            self.follow_everything
        )
        return router

    async def follow_transfer(
        self, request: Request, transfer_id: TransferIdInPath, last_event_id: LastEventId = None
    ) -> Response:
        """Follow a transfer.

        An event `transfer` for each change, with the whole transfer; its `id` is the version that `ETag` tells too. The
        stream ends after the final status.
        """
        views = None
        try:
            view, views = await opened(self._connect(transfer_id))
        except (Problem, StopAsyncIteration) as problem:
            _refuse_unless_away_for_a_moment(problem, last_event_id)
        else:
            if view.status.is_final and view.version == last_event_id:
                await views.aclose()
                return Response(status_code=204)
        views = reconnecting(partial(self._connect, transfer_id), first=views)
        return event_stream(request, _changes(views, known=last_event_id))

    async def follow_everything(self, request: Request) -> Response:
        """Follow what happens.

        Events `transfers` (the latest, and earlier ones until they are final), `accounts` (the first page),
        `reconciliation`, `attention`, `workers` and `processes`: each at once and then whenever it changes, as the
        calls of that name answer it. `interruption` says why something can't be told for a while; with `null` all is
        well again. `heartbeat` says in a pause that there is no news.
        """
        return event_stream(request, self._feed.events(), sign_of_life=_HEARTBEAT_THAT_A_PAGE_SEES)

    def _connect(self, transfer_id: str) -> AsyncGenerator[TransferView]:
        return self._downstream.streams.stream(f"/transfers/{transfer_id}/events", TransferView)


async def _changes(views: AsyncGenerator[TransferView], *, known: str | None) -> AsyncGenerator[bytes]:
    async with aclosing(views):
        async for view in views:
            if view.version != known:
                known = view.version
                yield event("transfer", Transfer.of(view), version=known)
            if view.status.is_final:
                return


def _refuse_unless_away_for_a_moment(problem: Problem | StopAsyncIteration, last_event_id: str | None) -> None:
    """Who comes back with an id has seen the transfer: it is there, and status-checker will be."""
    if isinstance(problem, StopAsyncIteration):
        problem = unavailable(Process.STATUS_CHECKER)
    if last_event_id is None or problem.code is not ProblemCode.UNAVAILABLE:
        raise problem
