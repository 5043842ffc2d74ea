"""`GET /page-settings`: what the page has to know of the place where it runs."""

import httpx
from gateway_client import GatewayClient


async def test_without_configuration_the_page_shows_no_links_and_no_commands(client: httpx.AsyncClient) -> None:
    assert (await client.get("/page-settings")).json() == {
        "demo_faults": True,
        "temporal_ui_url": None,
        "temporal_namespace": "default",
        "kill_command": None,
        "start_command": None,
    }


async def test_the_page_learns_what_is_configured_and_no_more(client_with: GatewayClient) -> None:
    configured = {
        "demo_faults": False,
        "temporal_ui_url": "http://localhost:8233",
        "temporal_namespace": "transfers",
        "kill_command": "make kill SERVICE={process}",
        "start_command": "make start SERVICE={process}",
    }
    async with client_with(**configured) as client:
        assert (await client.get("/page-settings")).json() == configured


async def test_they_are_no_part_of_the_public_api(client: httpx.AsyncClient) -> None:
    assert "/page-settings" not in (await client.get("/openapi.json")).json()["paths"]
