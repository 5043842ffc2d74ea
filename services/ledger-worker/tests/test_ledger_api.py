"""ledger-api on a real PostgreSQL: each endpoint's contract, and what it answers while its database is away."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import psycopg
import pytest
from ledger_worker import steps
from ledger_worker.demo_faults import DemoFaults
from ledger_worker.main import api_app
from psycopg import sql
from pydantic_core import to_json
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction
from sqlalchemy import Engine
from transfer_contract.http import (
    AppliedTransfersQuery,
    Discrepancy,
    Entry,
    FinalTransfer,
    FinalTransfers,
    LedgerReconciliation,
    Page,
    ProblemDetails,
    TransferIds,
    TransferRows,
)
from transfer_contract.steps import Decision, Failure, FailureCode, FinalStatus, StepRow
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest

NewTransfer = Callable[..., TransferRequest]


def client_of(engine: Engine) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api_app(engine), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://ledger-api")


@pytest.fixture
async def http(ledger_engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ledger_engine) as client:
        yield client


@pytest.fixture
def record(ledger_engine: Engine, attempt: Attempt) -> Callable[..., list[StepRow]]:
    def run(*transfers: TransferRequest) -> list[StepRow]:
        refuse = DemoFaults().refuse
        return in_transaction(ledger_engine, lambda c: steps.record(c, transfers, attempt, refuse))

    return run


Record = Callable[..., list[StepRow]]


def final(transfer: TransferRequest, status: FinalStatus, *, deposit_shut: bool = False) -> FinalTransfer:
    return FinalTransfer(
        transfer_id=transfer.transfer_id,
        status=status,
        deposit_shut=deposit_shut,
        source_account=transfer.source_account,
        destination_account=transfer.destination_account,
        amount_minor=transfer.amount_minor,
        currency=transfer.currency,
    )


def problem(response: httpx.Response, status: int, code: str) -> ProblemDetails:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    details = ProblemDetails.model_validate_json(response.content)
    assert (details.status, details.code) == (status, code)
    return details


async def test_a_transfer_is_answered_with_the_request_that_was_stored_and_its_row(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer(scenario=Scenario.LEDGER_REJECTS)
    [row] = record(transfer)

    response = await http.get(f"/transfers/{transfer.transfer_id}")

    assert response.status_code == 200
    assert TransferRows.model_validate_json(response.content) == TransferRows(transfer=transfer, rows=[row])
    assert row.decision is Decision.REJECTED


async def test_times_are_in_utc(http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer) -> None:
    transfer = new_transfer()
    record(transfer)

    answer = (await http.get(f"/transfers/{transfer.transfer_id}")).json()

    assert answer["transfer"]["created_at"] == "2026-01-01T00:00:00Z"
    assert answer["rows"][0]["forward"]["decided_at"].endswith("Z")


async def test_a_transfer_that_the_ledger_does_not_know_is_not_found(http: httpx.AsyncClient) -> None:
    problem(await http.get("/transfers/nobody"), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/transfers/%00", "/transfers/UPPER", "/accounts/%00/entries", "/accounts/a_b/entries"]
)
async def test_an_id_that_cannot_be_one_is_invalid(http: httpx.AsyncClient, path: str) -> None:
    problem(await http.get(path), 422, "invalid_request")


async def test_a_query_answers_the_known_ones_of_the_given_transfers(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer
) -> None:
    transfers = sorted((new_transfer() for _ in range(3)), key=lambda transfer: transfer.transfer_id)
    rows = record(*transfers)
    asked = TransferIds(transfer_ids=[t.transfer_id for t in reversed(transfers)] + ["nobody"])

    response = await http.post("/transfers/query", json=asked.model_dump(mode="json"))

    page = Page[TransferRows].model_validate_json(response.content)
    assert page == Page(items=[TransferRows(transfer=t, rows=[row]) for t, row in zip(transfers, rows, strict=True)])


async def test_a_query_takes_at_most_ten_thousand_ids(http: httpx.AsyncClient) -> None:
    response = await http.post("/transfers/query", json={"transfer_ids": ["a"] * 10_001})
    assert [e.field for e in problem(response, 422, "invalid_request").errors or ()] == ["transfer_ids"]


async def test_a_body_that_is_not_json_is_a_problem(http: httpx.AsyncClient) -> None:
    response = await http.post("/transfers/query", content="{", headers={"Content-Type": "application/json"})
    problem(response, 400, "invalid_json")


async def test_entries_come_newest_first_in_pages_that_new_ones_do_not_shift(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer
) -> None:
    record(*[new_transfer("paged", "other", amount) for amount in (1, 2, 3, 4, 5)])

    async def page(cursor: str | None) -> Page[Entry]:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        return Page[Entry].model_validate_json((await http.get("/accounts/paged/entries", params=query)).content)

    first = await page(None)
    record(new_transfer("other", "paged", 100))
    second = await page(first.next_cursor)
    last = await page(second.next_cursor)

    amounts = [[(entry.amount_minor, entry.balance_after_minor) for entry in p.items] for p in (first, second, last)]
    assert amounts == [[(-5, -15), (-4, -10)], [(-3, -6), (-2, -3)], [(-1, -1)]]
    assert last.next_cursor is None


async def test_an_account_without_entries_has_an_empty_page(http: httpx.AsyncClient) -> None:
    assert (await http.get("/accounts/nobody/entries")).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "cursor", ["", "x", "ZW50cnktMQ==", "ZW50cnktLTE", "ZW50cnktOTk5OTk5OTk5OTk5OTk5OTk5OTk", "é", "%00"]
)
async def test_a_cursor_that_no_list_has_answered_is_invalid(http: httpx.AsyncClient, cursor: str) -> None:
    response = await http.get("/accounts/alice/entries", params={"cursor": cursor})
    assert [e.field for e in problem(response, 422, "invalid_request").errors or ()] == ["cursor"]


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
async def test_a_page_has_a_size_within_limits(http: httpx.AsyncClient, limit: str) -> None:
    response = await http.get("/accounts/alice/entries", params={"limit": limit})
    assert [e.field for e in problem(response, 422, "invalid_request").errors or ()] == ["limit"]


async def test_a_check_answers_the_transfers_that_the_ledger_contradicts(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer
) -> None:
    done, refused, unknown = new_transfer(), new_transfer(scenario=Scenario.LEDGER_REJECTS), new_transfer()
    record(done, refused)

    async def check(*transfers: FinalTransfer) -> set[tuple[str, str | None, str | None]]:
        asked = FinalTransfers(transfers=to_json(transfers).decode())
        response = await http.post("/reconciliation/check", json=asked.model_dump())
        found = Page[Discrepancy].model_validate_json(response.content).items
        return {(each.kind, each.transfer_id, each.account) for each in found}

    right = [final(done, FinalStatus.COMPLETED), final(refused, FinalStatus.COMPENSATED)]
    assert await check(*right, final(unknown, FinalStatus.REJECTED)) == set()
    wrong = [final(unknown, FinalStatus.COMPLETED), final(refused, FinalStatus.REJECTED)]
    assert await check(*wrong, final(done, FinalStatus.COMPENSATED)) == {
        ("record_contradicts_status", refused.transfer_id, None),
        *(
            each
            for transfer in (unknown, done)
            for each in (
                ("record_contradicts_status", transfer.transfer_id, None),
                ("account_contradicts_ledger", transfer.transfer_id, transfer.source_account),
                ("account_contradicts_ledger", transfer.transfer_id, transfer.destination_account),
            )
        ),
    }


@pytest.mark.parametrize("limit", [1, 2, 10_000])
async def test_applied_transfers_are_paged_by_id(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer, limit: int
) -> None:
    prefix = f"zz-{limit}"
    done = [f"{prefix}-{number}" for number in range(3)]
    record(*[new_transfer(transfer_id=transfer_id) for transfer_id in reversed(done)])
    record(new_transfer(transfer_id=f"{prefix}-refused", scenario=Scenario.LEDGER_REJECTS))
    told = LedgerReconciliation.model_validate_json((await http.get("/reconciliation")).content)
    buckets, found = [*told.digests], list[str]()
    after: str | None = prefix
    while after is not None:
        wanted = AppliedTransfersQuery(buckets=buckets, after=after, limit=limit)
        answer = await http.post("/reconciliation/applied-transfers", json=wanted.model_dump())
        page = Page[str].model_validate_json(answer.content)
        assert len(page.items) <= limit
        found += page.items
        after = page.next_cursor
    assert [transfer_id for transfer_id in found if transfer_id.startswith(prefix + "-")] == done


async def test_transfers_whose_door_is_shut_are_paged_by_id_as_the_tombstone_stored_them(
    http: httpx.AsyncClient, ledger_engine: Engine, record: Record, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    shut = [new_transfer(transfer_id=f"zz-shut-{number}") for number in range(5)]
    failure = Failure(code=FailureCode.CANCELLED, detail="as asked")
    aborts = [AbortRequest(transfer=transfer, failure=failure) for transfer in reversed(shut)]
    in_transaction(ledger_engine, lambda c: steps.record_compensation(c, aborts, attempt))
    record(new_transfer(transfer_id="zz-shut-not"))
    found: list[TransferRequest] = []
    after: str | None = "zz-shut"
    while after is not None:
        answer = await http.get("/transfers/shut", params={"after": after, "limit": 2})
        page = Page[TransferRequest].model_validate_json(answer.content)
        found, after = [*found, *page.items], page.next_cursor
    assert found == shut


async def test_applied_transfers_of_no_bucket_are_none(http: httpx.AsyncClient, record: Record) -> None:
    answer = await http.post("/reconciliation/applied-transfers", json={"buckets": []})
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", 10001), ("after", "\x00"), ("after", "A")])
async def test_a_page_of_applied_transfers_is_asked_for_within_limits(
    http: httpx.AsyncClient, name: str, value: str | int
) -> None:
    response = await http.post("/reconciliation/applied-transfers", json={"buckets": [], name: value})
    assert [e.field for e in problem(response, 422, "invalid_request").errors or ()] == [name]


async def test_a_sound_ledger_reconciles_to_nothing(
    http: httpx.AsyncClient, record: Record, new_transfer: NewTransfer
) -> None:
    record(new_transfer())
    assert (await http.get("/reconciliation")).json()["discrepancies"] == []


async def test_it_is_ready_while_its_database_answers(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).json() == {"ready": True, "checks": {"database": True}}


@pytest.fixture
def lost_database(new_ledger: Callable[[], Engine]) -> Iterator[Engine]:
    engine = new_ledger()
    yield engine
    engine.dispose()


async def test_a_database_that_goes_away_is_a_503_and_found_again_when_it_is_back(
    lost_database: Engine, postgres_server: str
) -> None:
    name = sql.Identifier(lost_database.url.database or "")
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    async with client_of(lost_database) as http:
        assert (await http.get("/transfers/nobody")).status_code == 404
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(allow.format(name, sql.SQL("false")))
            admin.execute(cut, [lost_database.url.database])
            for path in ("/transfers/nobody", "/accounts/alice/entries", "/reconciliation"):
                response = await http.get(path)
                problem(response, 503, "unavailable")
                assert response.headers["Retry-After"] == "1"
            assert (await http.get("/readyz")).json() == {"ready": False, "checks": {"database": False}}
            assert (await http.get("/healthz")).status_code == 200
            admin.execute(allow.format(name, sql.SQL("true")))
        assert (await http.get("/transfers/nobody")).status_code == 404
        assert (await http.get("/readyz")).status_code == 200


async def test_more_readers_than_connections_are_told_to_come_back(lost_database: Engine) -> None:
    engine = create_database_engine(lost_database.url.render_as_string(hide_password=False), pool_size=1)
    async with client_of(engine) as http:
        with engine.connect():
            problem(await http.get("/transfers/nobody"), 503, "unavailable")
        assert (await http.get("/transfers/nobody")).status_code == 404
    engine.dispose()
