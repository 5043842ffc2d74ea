"""account-api's contract, over its HTTP app on a real database."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from account_worker import steps
from sqlalchemy import Engine, text
from transfer_contract.http import Account, Page, TransferIds, TransferRows
from transfer_contract.steps import Decision, FinalStatus, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Run = Callable[..., StepRow]
Abort = Callable[..., AbortRequest]

NEW = {"id": "zoe", "owner": "Zoë", "currency": "CHF", "opening_balance_minor": 500}


def problem(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


# accounts


def test_an_account_is_created_once_with_its_currencys_treasury(api: httpx.Client) -> None:
    first = api.post("/accounts", json=NEW)
    assert first.status_code == 201
    account = Account.model_validate(first.json())
    assert account.model_dump(include=set(NEW)) == NEW
    assert (account.balance_minor, account.held_minor, account.status) == (0, 0, "open")
    again = api.post("/accounts", json=NEW)
    assert (again.status_code, again.json()) == (200, first.json())
    treasury = Account.model_validate(api.get("/accounts/treasury-chf").json())
    assert (treasury.currency, treasury.balance_minor, treasury.status) == ("CHF", 0, "open")


@pytest.mark.parametrize("change", [{"owner": "Eve"}, {"currency": "EUR"}, {"opening_balance_minor": 1}])
def test_the_same_id_with_other_data_is_a_conflict(change: dict[str, object], api: httpx.Client) -> None:
    api.post("/accounts", json=NEW)
    before = api.get("/accounts/zoe").json()
    assert problem(api.post("/accounts", json=NEW | change)) == (409, "account_exists")
    assert api.get("/accounts/zoe").json() == before


def test_a_treasury_can_be_neither_created_nor_closed(api: httpx.Client) -> None:
    new = NEW | {"id": "treasury-gbp", "currency": "GBP"}
    assert problem(api.post("/accounts", json=new)) == (422, "treasury_not_allowed")
    assert problem(api.get("/accounts/treasury-gbp")) == (404, "not_found")
    api.post("/accounts", json=NEW)
    assert problem(api.post("/accounts/treasury-chf/close")) == (422, "treasury_not_allowed")


@pytest.mark.parametrize("path", ["/accounts/nobody", "/transfers/none"])
def test_what_is_not_there_is_not_found(path: str, api: httpx.Client) -> None:
    assert problem(api.get(path)) == (404, "not_found")


def test_closing_lifting_and_deleting_what_is_not_there(api: httpx.Client) -> None:
    assert problem(api.post("/accounts/nobody/close")) == (404, "not_found")
    assert problem(api.post("/transfers/none/lift-fault")) == (404, "not_found")
    assert problem(api.delete("/accounts/nobody")) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/accounts/A", "/transfers/a%00b", "/transfers?account=%C3%A4", "/accounts?limit=0"])
def test_a_malformed_id_or_limit_is_an_invalid_request(path: str, api: httpx.Client) -> None:
    assert problem(api.get(path)) == (422, "invalid_request")


def test_accounts_are_listed_by_id_in_pages(api: httpx.Client, open_account: OpenAccount) -> None:
    made = [open_account(currency="JPY") for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = Page[Account].model_validate(
            api.get("/accounts", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        )
        assert len(page.items) <= 2
        found += [account.id for account in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(set(found))
    assert {*made, "treasury-jpy"} <= set(found)


# closing, rule 12


def test_an_empty_account_is_closed_and_stays_closed(api: httpx.Client, open_account: OpenAccount) -> None:
    account_id = open_account()
    closed = api.post(f"/accounts/{account_id}/close")
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert api.post(f"/accounts/{account_id}/close").json() == closed.json()
    assert api.get(f"/accounts/{account_id}").json() == closed.json()


def test_an_account_with_money_or_held_credit_is_not_closed(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    rich, receiving = open_account(100), open_account()
    request = new_transfer(rich, receiving, 50)
    run(steps.WITHDRAW, request)
    run(steps.DEPOSIT, request)
    assert problem(api.post(f"/accounts/{rich}/close")) == (409, "account_not_empty")
    assert problem(api.post(f"/accounts/{receiving}/close")) == (409, "account_not_empty")


def test_an_account_is_not_closed_while_its_money_may_still_come_back(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    source, destination = open_account(100), open_account()
    request = new_transfer(source, destination, 100)
    for step in (steps.WITHDRAW, steps.DEPOSIT):
        run(step, request)
        assert problem(api.post(f"/accounts/{source}/close")) == (409, "account_not_empty")
    run(steps.RELEASE, request)
    assert api.post(f"/accounts/{source}/close").status_code == 200


def test_closing_a_destination_before_its_deposit_is_safe(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort
) -> None:
    source, destination = open_account(100), open_account()
    request = new_transfer(source, destination)
    run(steps.WITHDRAW, request)
    assert api.post(f"/accounts/{destination}/close").status_code == 200
    row = run(steps.DEPOSIT, request)
    assert row.forward is not None
    assert row.forward.error is not None
    assert row.forward.error.code == "account_closed"
    assert run(steps.WITHDRAW_COMPENSATION, abort(request)).decision is Decision.COMPENSATED


# transfers


def test_a_transfer_is_answered_with_its_request_and_rows(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    request = new_transfer(open_account(100), open_account(), scenario="slow")
    rows = [run(steps.WITHDRAW, request)]
    path = f"/transfers/{request.transfer_id}"
    assert TransferRows.model_validate(api.get(path).json()) == TransferRows(transfer=request, rows=rows)
    rows += [run(steps.DEPOSIT, request), run(steps.RELEASE, request)]
    assert TransferRows.model_validate(api.get(path).json()) == TransferRows(
        transfer=request, rows=rows, final_status=FinalStatus.COMPLETED, finished_at=rows[-1].finished_at
    )


def test_known_transfers_are_those_that_have_a_row(api: httpx.Client, new_transfer: NewTransfer, run: Run) -> None:
    known, unknown = new_transfer("nobody", "nobody-else"), new_transfer("nobody", "nobody-else")
    run(steps.WITHDRAW, known)
    asked = TransferIds(transfer_ids=[known.transfer_id, unknown.transfer_id])
    answer = api.post("/transfers/known", json=asked.model_dump())
    assert TransferIds.model_validate(answer.json()).transfer_ids == [known.transfer_id]
    assert api.post("/transfers/known", json={"transfer_ids": []}).json() == {"transfer_ids": []}
    too_many = {"transfer_ids": ["x"] * 10_001}
    assert problem(api.post("/transfers/known", json=too_many)) == (422, "invalid_request")


def test_final_transfers_are_those_whose_rows_say_so(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    rejected, on_its_way, unknown = (new_transfer(source, "nobody") for source in ("nobody", open_account(100), "none"))
    run(steps.WITHDRAW, rejected)
    run(steps.WITHDRAW, on_its_way)
    asked = TransferIds(transfer_ids=[each.transfer_id for each in (unknown, on_its_way, rejected)])
    answer = api.post("/transfers/final", json=asked.model_dump())
    assert TransferIds.model_validate(answer.json()).transfer_ids == [rejected.transfer_id]
    too_many = {"transfer_ids": ["x"] * 10_001}
    assert problem(api.post("/transfers/final", json=too_many)) == (422, "invalid_request")


def test_lifting_a_fault_is_remembered_in_the_database(
    api: httpx.Client, engine: Engine, new_transfer: NewTransfer, run: Run
) -> None:
    request = new_transfer("nobody", "nobody-else")
    run(steps.WITHDRAW, request)
    for _ in range(2):
        assert api.post(f"/transfers/{request.transfer_id}/lift-fault").status_code == 204
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM lifted_faults WHERE transfer_id = :id")
        assert connection.scalar(query, {"id": request.transfer_id}) == 1


@pytest.fixture(scope="module")
def start() -> datetime:
    return datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def listed(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, start: datetime
) -> tuple[str, list[str]]:
    """A busy account, and its transfers newest first: out and in, of every status, some of the same instant."""
    busy, other = open_account(10_000), open_account(10_000)
    made: list[TransferRequest] = []
    for number in range(12):
        pair = (busy, other) if number % 2 else (other, busy)
        moment = start + timedelta(seconds=number // 3)
        request = new_transfer(*pair, 100 if number % 4 else 10**9, created_at=moment)
        run(steps.WITHDRAW, request)
        if number % 4 == 1:
            run(steps.DEPOSIT, request)
            run(steps.RELEASE, request)
        if number % 4 == 2:
            run(steps.WITHDRAW_COMPENSATION, abort(request))
        made.append(request)
    newest_first = sorted(made, key=lambda request: (request.created_at, request.transfer_id), reverse=True)
    return busy, [request.transfer_id for request in newest_first]


def pages(api: httpx.Client, **query: str | int) -> Iterator[list[TransferRows]]:
    cursor: str | None = None
    while True:
        response = api.get("/transfers", params={**query, "cursor": cursor} if cursor else query)
        assert response.status_code == 200
        page = Page[TransferRows].model_validate(response.json())
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def ids(api: httpx.Client, **query: str | int) -> list[str]:
    return [item.transfer.transfer_id for page in pages(api, **query) for item in page]


@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_an_accounts_transfers_are_listed_newest_first_in_pages(
    limit: int, api: httpx.Client, listed: tuple[str, list[str]]
) -> None:
    account, expected = listed
    found = list(pages(api, account=account, limit=limit))
    assert max(len(page) for page in found) <= limit
    flat = [item.transfer.transfer_id for page in found for item in page]
    assert flat[: len(expected)] == expected
    assert len(flat) == len(set(flat)) == len(expected) + 1  # and its opening, long before


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_a_list_may_begin_with_the_oldest(limit: int, api: httpx.Client, listed: tuple[str, list[str]]) -> None:
    account, _ = listed
    newest_first = ids(api, account=account, limit=100)
    assert ids(api, account=account, limit=limit, oldest_first="true") == newest_first[::-1]
    oldest_unfinished = ids(api, final="false", limit=limit, oldest_first="true")
    assert oldest_unfinished == ids(api, final="false", limit=100)[::-1]


def test_lists_are_filtered_by_status(api: httpx.Client, listed: tuple[str, list[str]]) -> None:
    account, expected = listed
    for status in FinalStatus:
        found = [item for page in pages(api, account=account, status=status.value, limit=2) for item in page]
        assert {item.final_status for item in found} == {status}
        assert [i for i in expected if i in {f.transfer.transfer_id for f in found}] == [
            i for i in ids(api, account=account, status=status.value) if i in expected
        ]
    unfinished = ids(api, account=account, final="false", limit=2)
    finished = ids(api, account=account, final="true", limit=5)
    assert len(unfinished) == 3
    assert sorted([*unfinished, *finished]) == sorted(ids(api, account=account))
    assert ids(api, account=account, final="false", status="completed") == []


def test_lists_of_all_accounts_are_filtered_too(api: httpx.Client, listed: tuple[str, list[str]]) -> None:
    everything = ids(api, limit=7)
    assert [i for i in everything if i in listed[1]] == listed[1]
    by_status = {status: ids(api, status=status.value, limit=7) for status in FinalStatus}
    unfinished = ids(api, final="false", limit=7)
    assert sorted(everything) == sorted([*unfinished, *(i for found in by_status.values() for i in found)])
    assert sorted(ids(api, final="true", limit=7)) == sorted(i for found in by_status.values() for i in found)


@pytest.mark.parametrize("cursor", ["", "x", "%00", "MjAyNg"])
def test_a_cursor_that_no_list_has_answered_is_refused(cursor: str, api: httpx.Client) -> None:
    assert problem(api.get(f"/transfers?cursor={cursor}")) == (422, "invalid_request")
