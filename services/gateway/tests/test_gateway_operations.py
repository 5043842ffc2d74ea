"""Reconciliation, workers, health, readiness, metrics and the log."""

import time
from datetime import timedelta

import httpx
import pytest
from gateway_client import GatewayClient
from internal_api_fakes import HANG_SECONDS, NOW, World
from sample_bodies import new_transfer
from structlog.testing import capture_logs
from transfer_contract.attention import Attention, AttentionItem, AttentionKind
from transfer_contract.http import (
    CurrencyTotals,
    Discrepancy,
    LiveWorker,
    Reconciliation,
    WorkerGap,
    WorkerGroup,
    WorkersView,
)
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Compensation, StepError


async def test_reconciliation_answers_decimal_strings(client: httpx.AsyncClient, world: World) -> None:
    totals = CurrencyTotals(currency="EUR", balances_minor=-2500, held_minor=1000, in_transit_minor=1499, sum_minor=-1)
    lost = Discrepancy(kind="sum_not_zero", detail="A cent is missing.", account="alice")
    world.reconciliation = Reconciliation(balanced=False, currencies=[totals], discrepancies=[lost])
    answer = await client.get("/reconciliation")
    assert answer.json() == {
        "balanced": False,
        "currencies": [
            {"currency": "EUR", "balances": "-25.00", "held": "10.00", "in_transit": "14.99", "sum": "-0.01"}
        ],
        "discrepancies": [
            {"kind": "sum_not_zero", "detail": "A cent is missing.", "account": "alice", "transfer_id": None}
        ],
    }


async def test_reconciliation_may_take_longer_than_other_calls(client_with: GatewayClient, world: World) -> None:
    world.seconds_to_answer[Process.STATUS_CHECKER] = 0.5
    async with client_with(call_timeout_seconds=0.1, answer_timeout_seconds=0.2) as client:
        assert (await client.get("/workers")).status_code == 503
        assert (await client.get("/reconciliation")).status_code == 200


async def test_workers_are_listed_per_kind(client: httpx.AsyncClient, world: World) -> None:
    worker = LiveWorker(
        identity="1@host", host="host", pid="1", started_at=NOW, last_heartbeat_at=NOW + timedelta(seconds=1)
    )
    world.workers = WorkersView(
        items=[
            WorkerGroup(
                process=Process.ACCOUNT_WORKER,
                queue=TaskQueue.ACCOUNTS,
                workers=[worker],
                gone_since=None,
                last_gap=WorkerGap(began_at=NOW, ended_at=NOW + timedelta(seconds=1)),
                backlog=3,
            ),
            WorkerGroup(
                process=Process.LEDGER_WORKER, queue=TaskQueue.LEDGER, workers=[], gone_since=NOW, backlog=None
            ),
        ]
    )
    moment = "2026-01-31T09:00:00.123456Z"
    assert (await client.get("/workers")).json()["items"] == [
        {
            "process": "account-worker",
            "queue": "accounts",
            "workers": [
                {
                    "identity": "1@host",
                    "host": "host",
                    "pid": "1",
                    "started_at": moment,
                    "last_heartbeat_at": "2026-01-31T09:00:01.123456Z",
                }
            ],
            "gone_since": None,
            "last_gap": {"began_at": moment, "ended_at": "2026-01-31T09:00:01.123456Z"},
            "backlog": 3,
        },
        {
            "process": "ledger-worker",
            "queue": "ledger",
            "workers": [],
            "gone_since": moment,
            "last_gap": None,
            "backlog": None,
        },
    ]


PARKED = AttentionItem(
    kind=AttentionKind.PARKED,
    since=NOW,
    detail="withdraw_compensation has failed 6 times in a row: not today.",
    runbook=AttentionKind.PARKED.runbook,
    transfer_id="t-1",
    step=Compensation.WITHDRAW,
    failures=6,
    error=StepError(code="injected", detail="not today"),
    next_attempt_at=NOW + timedelta(seconds=1),
)


async def test_what_needs_attention_is_told_with_why_and_since_when(client: httpx.AsyncClient, world: World) -> None:
    world.attention = Attention(observed_at=NOW, counts={AttentionKind.PARKED: 2}, unexamined=1, items=[PARKED, PARKED])
    answer = await client.get("/attention", params={"limit": 1})
    assert answer.json() == {
        "observed_at": "2026-01-31T09:00:00.123456Z",
        "counts": {"parked": 2},
        "unexamined": 1,
        "items": [
            {
                "kind": "parked",
                "since": "2026-01-31T09:00:00.123456Z",
                "detail": "withdraw_compensation has failed 6 times in a row: not today.",
                "runbook": "docs/runbook.md#parked",
                "transfer_id": "t-1",
                "process": None,
                "step": "withdraw_compensation",
                "failures": 6,
                "error": {"code": "injected", "detail": "not today"},
                "next_attempt_at": "2026-01-31T09:00:01.123456Z",
            }
        ],
    }


@pytest.mark.parametrize("limit", ["0", "101", "x", ""])
async def test_attention_takes_the_limit_of_every_list(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/attention", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")


async def test_where_it_cant_be_told_attention_is_503_and_never_nothing(
    client: httpx.AsyncClient, world: World
) -> None:
    world.faults[Process.STATUS_CHECKER] = "is unavailable"
    assert (await client.get("/attention")).status_code == 503


async def test_it_is_alive_whatever_is_away(client: httpx.AsyncClient, world: World) -> None:
    world.faults = dict.fromkeys(Process, "hangs")
    assert (await client.get("/healthz")).status_code == 200


async def test_it_is_ready_while_the_four_others_are(client: httpx.AsyncClient) -> None:
    for _ in range(10):  # a second may be short on a busy machine
        if (answer := await client.get("/readyz")).status_code == 200:
            break
    assert answer.json()["checks"] == dict.fromkeys(
        ["workflow-handler", "status-checker", "account-api", "ledger-api"], True
    )


async def test_it_is_not_ready_and_says_so_while_others_hang(client: httpx.AsyncClient, world: World) -> None:
    world.faults = {Process.LEDGER_API: "hangs", Process.ACCOUNT_API: "hangs", Process.STATUS_CHECKER: "hangs"}
    before = time.monotonic()
    answer = await client.get("/readyz")
    assert time.monotonic() - before < HANG_SECONDS / 2
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "workflow-handler": True,
        "status-checker": False,
        "account-api": False,
        "ledger-api": False,
    }


async def test_metrics_count_by_route_template_and_never_by_what_clients_invent(client_with: GatewayClient) -> None:
    async with client_with() as client:
        await client.post("/transfers", json=new_transfer())
        for path in ("/transfers/one", "/transfers/two", "/nowhere", "/else"):
            await client.get(path)
        await client.request("INVENTED", "/transfers")
        lines = (await client.get("/metrics")).text.splitlines()
    counts = [line for line in lines if line.startswith("http_requests_total")]
    assert sorted(counts) == [
        'http_requests_total{method="GET",route="/transfers/{id}",status="404"} 2.0',
        'http_requests_total{method="GET",route="unknown",status="404"} 2.0',
        'http_requests_total{method="POST",route="/transfers",status="202"} 1.0',
        'http_requests_total{method="other",route="/transfers",status="405"} 1.0',
    ]
    assert 'http_request_duration_seconds_count{method="POST",route="/transfers"} 1.0' in lines


async def test_each_request_leaves_one_line_in_the_log_but_probes_do_not(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/accounts/nobody")
        for probe in ("/healthz", "/readyz", "/metrics"):
            await client.get(probe)
    assert [(line["event"], line["route"], line["status"]) for line in logs] == [("request", "/accounts/{id}", 404)]


@pytest.mark.parametrize("path", ["/", "/docs", "/nowhere", "/healthz", "/metrics", "/openapi.json", "/transfers"])
async def test_nothing_may_be_framed_or_sniffed(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers
