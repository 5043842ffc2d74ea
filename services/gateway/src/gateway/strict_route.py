"""The route class of the public API: every request passes these checks before FastAPI's models see it."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from service_runtime.problems import Problem, invalid_field
from service_runtime.turns import Turns
from transfer_contract.http import ProblemCode

from gateway.strict_json import StrictJsonRequest

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES: Final = frozenset({"same-origin", "none"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """Refuses what another site's page sends, bodies that are too large or no strict JSON, unknown query parameters."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known = {parameter.alias for parameter in self.dependant.query_params}

        async def handle_strictly(plain: Request) -> Response:
            request = StrictJsonRequest(plain.scope, plain.receive)
            _refuse_odd_path(request)
            _refuse_odd_query(request, known)
            _refuse_foreign_page(request)
            async with self._turn():
                await self._take_body(request)
                return await handle(request)

        return handle_strictly

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def _take_body(self, request: StrictJsonRequest) -> None:
        if self.body_field is None:
            request.refuse_large_body()
        else:
            await request.load()


def strict_router(tag: str) -> APIRouter:
    """Its operation ids are the functions' names, for those who generate clients."""
    return APIRouter(route_class=StrictRoute, tags=[tag], generate_unique_id_function=lambda route: route.name)


def batch_router(tag: str, turns: Turns) -> APIRouter:
    """Its calls take a batch's body, JSON or CSV, in their turn, and judge it as a whole themselves."""

    class BatchRoute(StrictRoute):
        def _turn(self) -> AbstractAsyncContextManager[None]:
            return turns.turn()

        async def _take_body(self, request: StrictJsonRequest) -> None:
            await request.load_batch()

    return APIRouter(route_class=BatchRoute, tags=[tag], generate_unique_id_function=lambda route: route.name)


def _refuse_odd_path(request: Request) -> None:
    if not request.scope["path"].isprintable():  # Starlette's patterns let a trailing newline pass
        raise Problem(ProblemCode.NOT_FOUND, "Not Found")


def _refuse_odd_query(request: Request, known: set[str]) -> None:
    """A parameter that is misspelt or given twice would otherwise silently not filter."""
    query = request.scope["query_string"].decode("latin-1")
    try:
        given = [name for name, _ in parse_qsl(query, keep_blank_values=True, errors="strict")]
    except ValueError as error:
        raise invalid_field("query", "must be percent-encoded UTF-8") from error
    for name in given:
        if name not in known:
            raise invalid_field(name, "is not a parameter of this call")
        if given.count(name) > 1:
            raise invalid_field(name, "is given more than once")


def _refuse_foreign_page(request: Request) -> None:
    """A browser sends a POST without a body for any page, without asking us; but it says whose page it was.

    `none` is the user's own doing. A page on another port of this host is `same-site`, and no more ours. Over plain
    HTTP to another host than this one a browser tells the page's origin only.
    """
    if request.method in _READING:
        return
    if request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        raise invalid_field("Sec-Fetch-Site", "the request was sent by another site's page")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise invalid_field("Origin", "the request was sent by another site's page")
