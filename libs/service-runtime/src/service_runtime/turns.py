"""Bounds what a process holds of something large: so many at once, and the others wait for their turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from transfer_contract.http import ProblemCode

from service_runtime.problems import Problem

WAIT_SECONDS: Final = 10
"""As long as a body may take to arrive. Who is not through by then had better come again."""


class Turns:
    """First come, first served."""

    def __init__(self, at_once: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Problem `unavailable` where it doesn't come in time: the client repeats."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise Problem(ProblemCode.UNAVAILABLE, "Too many of these come at once. Repeat the request.") from error
        try:
            yield
        finally:
            self._free.release()


def route_in_turns(turns: Turns) -> type[APIRoute]:
    """A class of routes that read a request's body in its turn only: until then, it stays with the client."""

    class RouteInTurns(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_in_turn(request: Request) -> Response:
                async with turns.turn():
                    return await handle(request)

            return handle_in_turn

    return RouteInTurns
