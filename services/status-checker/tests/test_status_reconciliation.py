"""GET /reconciliation: accounts first, then ledger, only what is final in the former."""

from collections.abc import AsyncIterator

import httpx
import pytest
from checker_databases import Databases, account_api, ledger_api
from checker_rows import applied, completed_rows, request, tombstone
from checker_serving import serving
from checker_views import CheckerOf
from temporalio.client import Client
from transfer_contract.http import CurrencyTotals, Discrepancy, Reconciliation
from transfer_contract.steps import Step
from transfer_contract.transfers import TransferRequest

BALANCED = CurrencyTotals(currency="EUR", balances_minor=-5, held_minor=3, in_transit_minor=2, sum_minor=0)


@pytest.fixture(scope="module")
def own_of_all() -> Databases:
    return Databases()


@pytest.fixture
def own(own_of_all: Databases) -> Databases:
    """Empty and balanced at the start of each test."""
    own_of_all.clear()
    own_of_all.totals = [BALANCED]
    return own_of_all


@pytest.fixture(scope="module")
async def reconciled(own_of_all: Databases, client: Client, checker_of: CheckerOf) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(account_api(own_of_all)) as accounts,
        serving(ledger_api(own_of_all)) as ledger,
        checker_of(client, accounts=accounts, ledger=ledger, observes=False) as http,
    ):
        yield http


def final(databases: Databases, count: int) -> list[TransferRequest]:
    made = [request() for _ in range(count)]
    for transfer in made:
        databases.put(transfer, *completed_rows())
    return made


def contradicted(databases: Databases, count: int) -> list[TransferRequest]:
    """Completed in the accounts, unknown to the ledger."""
    made = [request() for _ in range(count)]
    for transfer in made:
        databases.accounts.put(transfer, *(row for row in completed_rows() if row.step is not Step.RECORD))
    return made


async def reconcile(http: httpx.AsyncClient) -> Reconciliation:
    answer = await http.get("/reconciliation")
    assert answer.status_code == 200, answer.text
    return Reconciliation.model_validate_json(answer.content)


def wrong(transfer_id: str | None = None) -> Discrepancy:
    return Discrepancy(kind="off", detail="something is off", transfer_id=transfer_id)


async def test_no_transfers_and_sums_of_zero_are_balanced(reconciled: httpx.AsyncClient, own: Databases) -> None:
    assert await reconcile(reconciled) == Reconciliation(balanced=True, currencies=[BALANCED], discrepancies=[])


async def test_a_sum_that_is_not_zero_is_not_balanced(reconciled: httpx.AsyncClient, own: Databases) -> None:
    own.totals = [BALANCED, BALANCED.model_copy(update={"currency": "JPY", "sum_minor": 1})]
    answer = await reconcile(reconciled)
    assert (answer.balanced, len(answer.currencies), answer.discrepancies) == (False, 2, [])


@pytest.mark.parametrize("page_size", [1, 3, 5000])
async def test_what_differs_is_judged_once_and_nothing_else(
    reconciled: httpx.AsyncClient, own: Databases, page_size: int
) -> None:
    own.page_size = page_size
    alike, differing = final(own, 7), contradicted(own, 4)
    own.put(request(), applied(Step.WITHDRAW, 0))
    assert (await reconcile(reconciled)).balanced
    judged = {*own.checked} - {transfer.transfer_id for transfer in alike}  # those may share a bucket with another
    assert judged == {transfer.transfer_id for transfer in differing}
    assert own.checked == sorted({*own.checked})


async def test_what_any_of_the_three_finds_is_listed(reconciled: httpx.AsyncClient, own: Databases) -> None:
    transfer = contradicted(own, 1)[0]
    own.in_accounts, own.in_ledger = [wrong("in accounts")], [wrong("in ledger")]
    own.between = {transfer.transfer_id: wrong(transfer.transfer_id)}
    answer = await reconcile(reconciled)
    assert not answer.balanced
    assert [found.transfer_id for found in answer.discrepancies] == ["in accounts", transfer.transfer_id, "in ledger"]


async def test_the_accounts_are_read_before_the_ledger(reconciled: httpx.AsyncClient, own: Databases) -> None:
    own.ledger.put(contradicted(own, 1)[0], applied(Step.RECORD, 2))
    own.ledger.put(request(), applied(Step.RECORD, 2))
    await reconcile(reconciled)
    assert [*own.accounts.called] == ["/reconciliation", "/reconciliation/final-transfers", "/transfers/known"]
    assert [*own.ledger.called] == ["/reconciliation", "/reconciliation/check", "/reconciliation/applied-transfers"]


@pytest.mark.parametrize("page_size", [1, 3, 5000])
async def test_what_the_ledger_has_applied_and_the_accounts_do_not_know_is_found(
    reconciled: httpx.AsyncClient, own: Databases, page_size: int
) -> None:
    """The accounts were restored from an older backup than the ledger."""
    own.page_size = page_size
    final(own, 4)
    lost, shut = [request() for _ in range(3)], request()
    for transfer in lost:
        own.ledger.put(transfer, applied(Step.RECORD, 2))
    own.ledger.put(shut, tombstone(Step.RECORD, 2))
    answer = await reconcile(reconciled)
    assert not answer.balanced
    assert [found.transfer_id for found in answer.discrepancies] == sorted(t.transfer_id for t in lost)
    assert {found.kind for found in answer.discrepancies} == {"ledger_transfer_unknown_to_accounts"}


async def test_no_more_than_a_hundred_discrepancies_are_listed(reconciled: httpx.AsyncClient, own: Databases) -> None:
    own.page_size = 50
    made = contradicted(own, 200)
    own.between = {transfer.transfer_id: wrong(transfer.transfer_id) for transfer in made}
    answer = await reconcile(reconciled)
    assert (answer.balanced, len(answer.discrepancies), len(own.checked)) == (False, 100, 100)
