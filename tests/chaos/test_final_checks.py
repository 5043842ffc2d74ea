"""The checks of a run's end, themselves checked: an end too late, an answer that differs, books that aren't right."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest
from chaos import after_healing
from chaos.final_checks import FinalChecks
from chaos.findings import Findings
from chaos.operations import Kind, Operation
from chaos.planted_books import PlantedBooks
from chaos.promises import Promise
from chaos.row_history import AccountRows
from chaos.row_watch import RowWatch
from chaos.strikes import Strikes
from chaos.told_api import Told, told_api
from real_servers import temporal_process
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

BODY: Final = {
    "source_account": "alice", "destination_account": "bob", "amount": "1.00", "currency": "EUR", "reference": "key",
}  # fmt: skip
TOLD: Final[dict[str, Any]] = BODY | {"id": "completed", "status": "completed"}
NOT_FINAL: Final = "every acknowledged transfer is final 120 s after healing"
THE_SAME: Final = "API, databases and Temporal say the same"
RECONCILED: Final = "the product's own reconciliation is that of the books"
EMPTY: Final = {"balanced": True, "discrepancies": [], "currencies": []}


def found(findings: Findings) -> list[str]:
    return [violation.check for violation in findings.violations.all]


def acknowledged(findings: Findings, transfer_id: str, kind: Kind = Kind.VALID) -> Promise:
    return findings.promises.acknowledged(Operation(1, 1, kind, f"key of {transfer_id}", BODY), transfer_id, 0.0)


@asynccontextmanager
async def checking(findings: Findings, told: Told) -> AsyncIterator[FinalChecks]:
    """The rows: one transfer that has completed, and one that is under way."""
    rows = RowWatch("", "", findings.violations)
    for transfer_id, status in (("completed", "completed"), ("held", "")):
        rows.transfers[transfer_id] = AccountRows(transfer_id, (), status, ())
    async with told_api(told) as api:
        yield FinalChecks(rows, api, cast("Client", None), findings)


async def test_whoever_has_rows_or_was_acknowledged_is_to_be_final(findings: Findings) -> None:
    promises = [acknowledged(findings, transfer_id) for transfer_id in ("completed", "held", "nobody's")]
    async with checking(findings, {}) as checks:
        checks._judge_final(promises)
    assert [(found.check, found.transfer_id) for found in findings.violations.all] == [
        (NOT_FINAL, "held"),
        (NOT_FINAL, "nobody's"),
        ("every transfer with rows is final 120 s after healing", "held"),
    ]


@pytest.mark.parametrize(
    ("answer", "checks", "compared"),
    [
        ((200, TOLD), [], 1),
        ((200, TOLD | {"status": "compensated"}), [THE_SAME], 1),
        ((200, TOLD | {"status": "running"}), [THE_SAME], 1),
        ((200, TOLD | {"amount": "1.01"}), ["a transfer is told as it was asked for"], 1),
        ((404, {}), ["the API answers every acknowledged transfer"], 0),
    ],
)
async def test_the_api_is_to_tell_what_the_rows_say(
    findings: Findings, answer: tuple[int, Any], checks: list[str], compared: int
) -> None:
    promise = acknowledged(findings, "completed")
    async with checking(findings, {"/transfers/completed": answer}) as final_checks:
        await final_checks._compare_with_api(promise)
        assert final_checks.compared.with_api == compared
    assert found(findings) == checks


async def test_an_api_that_stays_unavailable_does_not_answer(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_healing, "_ATTEMPTS", 1)
    promise = acknowledged(findings, "completed")
    async with checking(findings, {"/transfers/completed": (500, {})}) as checks:
        await checks._compare_with_api(promise)
    assert found(findings) == [
        "no answer is a defect of the product (5xx; 503 without Retry-After)",
        "the API answers every acknowledged transfer",
    ]


@pytest.mark.parametrize(
    ("account", "reconciliation", "checks"),
    [
        ("", (200, EMPTY), []),
        ("", (200, EMPTY | {"balanced": False}), [RECONCILED]),
        ("", (200, EMPTY | {"discrepancies": [{"transfer_id": "t"}]}), [RECONCILED]),
        ("", (404, {}), [RECONCILED]),
        ("'carol', 'customer', 'Ann', 'JPY', 0, 0, 0", (200, EMPTY), [RECONCILED]),
        ("'carol', 'customer', 'Ann', 'JPY', 1, 0, 0", (200, EMPTY), ["the books are right", RECONCILED]),
    ],
)  # fmt: skip
async def test_the_books_are_to_be_right_and_reconciled_by_the_product_itself(
    books: PlantedBooks, findings: Findings, account: str, reconciliation: tuple[int, Any], checks: list[str]
) -> None:
    books.in_accounts("TRUNCATE accounts, transfers, decisions")
    books.in_ledger("TRUNCATE transfers, decisions, ledger_accounts, entries")
    if account:
        books.in_accounts(f"INSERT INTO accounts VALUES ({account})")  # noqa: S608 - the test's own words
    async with checking(findings, {"/reconciliation": reconciliation}) as final_checks:
        await final_checks._judge_books(*books.urls)
    assert sorted(set(found(findings))) == sorted(checks)


@pytest.fixture
def empty_temporal(tmp_path: Path) -> Iterator[str]:
    """The address of a server without the runs that other tests have left behind."""
    with temporal_process(tmp_path) as address:
        yield address


async def test_a_run_that_leaves_everything_wrong_is_told_so_by_each_of_its_checks(
    books: PlantedBooks, findings: Findings, empty_temporal: str
) -> None:
    acknowledged(findings, "completed")
    acknowledged(findings, "held", Kind.OPENING)
    rows = RowWatch(*books.urls, findings.violations)
    rows.look()
    told = {
        "/transfers/completed": (200, TOLD | {"status": "rejected"}), "/transfers/held": (404, {}),
        "/reconciliation": (200, EMPTY),
    }  # fmt: skip
    temporal = await Client.connect(empty_temporal, data_converter=pydantic_data_converter)
    async with told_api(told) as api:
        compared = await FinalChecks(rows, api, temporal, findings).run(*books.urls, Strikes())
    assert set(found(findings)) == {
        NOT_FINAL, "every transfer with rows is final 120 s after healing", THE_SAME, RECONCILED,
        "the API answers every acknowledged transfer", "who wasn't struck ends with a result", "the books are right",
        "each transfer ends as its kind may",
        "at least 90 % of the kind valid complete", "at least 90 % of the kind opening complete",
    }  # fmt: skip
    assert (compared.with_api, compared.with_temporal) == (1, 0)
