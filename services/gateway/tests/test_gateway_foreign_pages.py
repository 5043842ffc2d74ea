"""What another site's page makes a browser send changes nothing: no cross-site request forgery."""

import httpx
import pytest
from internal_api_fakes import World
from sample_bodies import new_account, new_transfer

CHANGING = [
    ("/transfers", new_transfer()),
    ("/transfers/some-id/cancel", None),
    ("/transfers/some-id/retry", None),
    ("/accounts", new_account()),
    ("/accounts/alice/close", None),
    ("/workers/account-worker/crash", None),
]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(("path", "body"), CHANGING)
async def test_a_request_of_another_sites_page_is_refused_before_anything_is_done(
    client: httpx.AsyncClient, world: World, path: str, body: object, site: str
) -> None:
    answer = await client.post(path, json=body, headers={"Sec-Fetch-Site": site})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Sec-Fetch-Site")
    assert world.seen == []


@pytest.mark.parametrize("origin", ["http://elsewhere", "http://gateway:8081", "null"])
@pytest.mark.parametrize(("path", "body"), CHANGING)
async def test_where_a_browser_tells_the_origin_only_that_is_judged(
    client: httpx.AsyncClient, world: World, path: str, body: object, origin: str
) -> None:
    answer = await client.post(path, json=body, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Origin")
    assert world.seen == []


async def test_the_own_origin_may(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transfers", json=new_transfer(), headers={"Origin": "http://gateway"})
    assert answer.status_code == 202


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_the_own_page_and_the_user_may(client: httpx.AsyncClient, site: str) -> None:
    headers = {"Sec-Fetch-Site": site}
    assert (await client.post("/transfers", json=new_transfer(), headers=headers)).status_code == 202
    assert (await client.post("/workers/account-worker/crash", headers=headers)).status_code == 202


@pytest.mark.parametrize("path", ["/transfers", "/docs", "/page-settings"])
async def test_a_link_on_another_sites_page_may_lead_here(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200
