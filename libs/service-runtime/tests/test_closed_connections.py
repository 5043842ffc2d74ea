"""What comes out of a connection that is closed while it is made. The chaos run meets the real one; here it is told."""

import httpx
import pytest
from service_runtime.closed_connections import ClosedConnections


class _GoneSocket(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise AttributeError("'NoneType' object has no attribute 'getpeername'")


async def test_a_connection_closed_while_it_is_made_is_an_http_error() -> None:
    async with httpx.AsyncClient(transport=ClosedConnections(_GoneSocket())) as client:
        with pytest.raises(httpx.HTTPError, match="closed while it was being made"):
            await client.get("http://127.0.0.1/readyz")
