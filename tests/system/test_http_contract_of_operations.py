"""What operators and machines ask of the running system: reconciliation, workers, health, metrics, documentation."""

import httpx
import pytest
from system.answer_forms import PROBLEM_CODES, assert_is_moment
from system.public_api import PublicApi
from system.running_system import EIGHT, WORKERS, RunningSystem

pytestmark = pytest.mark.system

QUEUES = {"workflow-worker": "transfers", "account-worker": "accounts", "ledger-worker": "ledger"}
PATHS = {
    "/transfers": {"get", "post"},
    "/transfers/{id}": {"get"},
    "/transfers/{id}/cancel": {"post"},
    "/transfers/{id}/retry": {"post"},
    "/accounts": {"get", "post"},
    "/accounts/{id}": {"get"},
    "/accounts/{id}/entries": {"get"},
    "/accounts/{id}/close": {"post"},
    "/attention": {"get"},
    "/reconciliation": {"get"},
    "/workers": {"get"},
    "/workers/{process}/crash": {"post"},
}


async def test_the_books_are_balanced_while_transfers_run(api: PublicApi) -> None:
    """Swedish crowns, which no other test uses."""
    source, destination = await api.open_account("50.00", currency="SEK"), await api.open_account(currency="SEK")
    running = await api.start_transfer(
        source, destination, amount="20.00", currency="SEK", scenario="slow_compensation"
    )
    await api.until(running, lambda transfer: bool(transfer["status"] == "compensating"))
    reconciliation = await api.get("/reconciliation")
    assert list(reconciliation) == ["balanced", "currencies", "discrepancies"]
    assert (reconciliation["balanced"], reconciliation["discrepancies"]) == (True, [])
    crowns = next(totals for totals in reconciliation["currencies"] if totals["currency"] == "SEK")
    assert crowns == {"currency": "SEK", "balances": "-20.00", "held": "20.00", "in_transit": "0.00", "sum": "0.00"}


async def test_what_needs_attention_is_told_as_of_a_moment_ago(api: PublicApi) -> None:
    answer = await api.get("/attention", limit=1)
    assert list(answer) == ["observed_at", "counts", "unexamined", "items"]
    assert_is_moment(answer["observed_at"])
    assert len(answer["items"]) <= 1


async def test_each_kind_of_worker_is_listed_with_those_that_live(system: RunningSystem, api: PublicApi) -> None:
    answer = await api.get("/workers")
    assert list(answer) == ["items"]
    assert {group["process"] for group in answer["items"]} == {*WORKERS}
    pids = await system.pids()
    for group in answer["items"]:
        assert list(group) == ["process", "queue", "workers", "gone_since", "last_gap", "backlog"]
        assert group["queue"] == QUEUES[group["process"]]
        assert group["gone_since"] is None
        assert group["backlog"] >= 0
        [worker] = group["workers"]
        assert list(worker) == ["identity", "host", "pid", "started_at", "last_heartbeat_at"]
        assert worker["pid"] == str(pids[group["process"]])
        assert_is_moment(worker["started_at"])
        assert_is_moment(worker["last_heartbeat_at"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_and_readiness_are_machine_readable(api: PublicApi, path: str) -> None:
    assert (await api.get(path)).keys() <= {"status", "ready", "checks"}


async def test_all_eight_processes_are_ready(system: RunningSystem) -> None:
    assert {name: await system.is_ready(name) for name in EIGHT} == dict.fromkeys(EIGHT, True)


async def test_requests_are_counted_for_prometheus(api: PublicApi) -> None:
    response = await api.http.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert 'http_requests_total{method="GET",route="/workers",status="200"}' in response.text


async def test_the_api_documents_itself_with_every_call(api: PublicApi) -> None:
    document = await api.get("/openapi.json")
    assert {path: {*methods} for path, methods in document["paths"].items() if path in PATHS} == PATHS
    schemas = document["components"]["schemas"]
    assert set(schemas["ProblemCode"]["enum"]) == PROBLEM_CODES.keys()


async def test_the_page_learns_where_temporals_own_page_is_and_how_a_process_is_killed(api: PublicApi) -> None:
    settings = await api.get("/page-settings")
    assert (settings["demo_faults"], settings["kill_command"]) == (True, "make kill SERVICE={process}")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(settings["temporal_ui_url"], follow_redirects=True)).status_code == 200


async def test_the_documentation_is_a_page_of_our_own(api: PublicApi) -> None:
    page = await api.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http" not in page.text.replace("http-equiv", "")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    script = await api.http.get("/docs/swagger-ui-bundle.js")
    assert (script.status_code, script.headers["Content-Type"].partition(";")[0]) == (200, "text/javascript")


async def test_the_front_door_leads_somewhere(api: PublicApi) -> None:
    response = await api.http.get("/", follow_redirects=True)
    assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


async def test_every_answer_has_a_request_id_and_keeps_the_clients_own(api: PublicApi) -> None:
    assert (await api.http.get("/healthz")).headers["X-Request-Id"]
    own = await api.http.get("/transfers", headers={"X-Request-Id": "from-the-client"})
    assert own.headers["X-Request-Id"] == "from-the-client"
