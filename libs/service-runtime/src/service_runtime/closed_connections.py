"""A connection that the other side closes while it is being made is an HTTP error like any other."""

import httpx


class ClosedConnections(httpx.AsyncBaseTransport):
    """anyio 4.16 asks a socket that has just gone for its peer, and `AttributeError` comes out of httpx."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except AttributeError as error:
            raise httpx.ConnectError("closed while it was being made", request=request) from error

    async def aclose(self) -> None:
        await self._transport.aclose()
