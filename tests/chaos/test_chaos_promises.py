"""What the API tells is compared with what it told before: an end that changes and a key with two transfers."""

import asyncio
import time
from typing import Any, Final

import psycopg
import pytest
from chaos.findings import Findings
from chaos.operations import Kind, Operation
from chaos.reads import Reads, look_again_and_again
from chaos.recoveries import Recoveries

BODY: Final = {
    "source_account": "a", "destination_account": "b", "amount": "1.5", "currency": "EUR", "reference": "key",
}  # fmt: skip
PAYMENT: Final = Operation(1, 1, Kind.VALID, "key", BODY)
COMPLETED: Final[dict[str, Any]] = {"id": "t", "status": "completed", "finished_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def promised(findings: Findings) -> Findings:
    findings.promises.acknowledged(PAYMENT, "t", 1.0)
    return findings


def found(findings: Findings) -> set[str]:
    return {violation.check for violation in findings.violations.all}


def test_the_same_end_told_again_is_right(promised: Findings) -> None:
    promised.promises.told({"id": "t", "status": "running"}, 1.5, asked_at=1.3)
    promised.promises.told(COMPLETED, 2.0, asked_at=1.8)
    promised.promises.told(COMPLETED, 3.0, asked_at=2.8)
    assert found(promised) == set()
    assert promised.promises.statuses == {"completed": 1}
    assert promised.promises.open == []


@pytest.mark.parametrize(
    ("later", "check"),
    [
        ({"status": "compensated"}, "a final status never changes"),
        ({"status": "running"}, "a final transfer never changes"),
        ({"finished_at": "2026-01-01T00:00:01Z"}, "a final transfer never changes"),
    ],
)
def test_another_end_told_later_is_said(promised: Findings, later: dict[str, Any], check: str) -> None:
    promised.promises.told(COMPLETED, 2.0, asked_at=1.8)
    promised.promises.told(COMPLETED | later, 3.0, asked_at=2.8)
    assert check in found(promised)


def test_an_answer_that_was_asked_for_before_the_end_may_come_after_it(promised: Findings) -> None:
    promised.promises.told(COMPLETED, 2.0, asked_at=1.8)
    promised.promises.told({"id": "t", "status": "running"}, 3.0, asked_at=1.9)
    assert found(promised) == set()


def test_an_end_that_the_rows_dont_have_is_said(promised: Findings) -> None:
    promised.promises.ended(promised.promises.open[0], "compensated", 2.0)
    promised.promises.told(COMPLETED, 3.0, asked_at=2.8)
    assert found(promised) == {"a final status never changes"}


def test_a_key_with_two_transfers_is_said(promised: Findings) -> None:
    promised.promises.acknowledged(PAYMENT, "t", 2.0)
    assert found(promised) == set()
    promised.promises.acknowledged(PAYMENT, "another", 3.0)
    assert found(promised) == {"a key is one transfer"}


@pytest.mark.parametrize(
    ("told", "checks"),
    [
        ({"amount": "1.50"}, set()),
        ({"amount": "1.51"}, {"a transfer is told as it was asked for"}),
        ({"source_account": "b", "destination_account": "a"}, {"a transfer is told as it was asked for"}),
        ({"currency": "JPY"}, {"a transfer is told as it was asked for"}),
        ({"reference": None}, {"a transfer is told as it was asked for"}),
    ],
)
def test_what_is_told_is_what_was_asked_for(promised: Findings, told: dict[str, Any], checks: set[str]) -> None:
    promised.promises.judge_request(promised.promises.of_key("key"), BODY | told)
    assert found(promised) == checks


def test_a_recovery_lasts_from_the_beginning_of_the_fault_until_a_transfer_begun_after_it_completes() -> None:
    recoveries = Recoveries()
    recoveries.fault_began(10.0)
    recoveries.fault_began(12.0)
    recoveries.completed(9.0, 13.0)
    recoveries.completed(11.0, 15.0)
    assert (recoveries.longest_seconds, recoveries.missing) == (5.0, 1)
    recoveries.completed(12.5, 20.0)
    recoveries.completed(13.0, 99.0)
    assert (recoveries.longest_seconds, recoveries.missing) == (8.0, 0)


def test_from_a_fault_without_effect_nothing_recovers() -> None:
    recoveries = Recoveries()
    short, long = recoveries.fault_began(14.0), recoveries.fault_began(10.0)
    recoveries.completed(14.5, 15.0)
    recoveries.had_no_effect(long)
    recoveries.had_no_effect(recoveries.fault_began(20.0))
    assert (recoveries.longest_seconds, recoveries.missing) == (1.0, 0)
    assert short.seconds == 1.0


async def test_a_look_that_fails_is_unknown_and_makes_the_gap_longer() -> None:
    reads = Reads("rows")
    readable = iter([True, False, False, True])

    async def look() -> None:
        if not next(readable, False):
            raise psycopg.OperationalError("it is away")

    watching = asyncio.create_task(look_again_and_again(reads, look, seconds=0.1))
    began = time.monotonic()
    while reads.succeeded < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    watching.cancel()
    assert reads.unknown >= 2
    assert 0.25 < reads.longest_gap_seconds <= time.monotonic() - began


async def test_a_check_with_a_defect_of_its_own_is_not_taken_for_an_unreadable_database() -> None:
    async def look() -> None:
        raise psycopg.errors.UndefinedColumn("no such column")

    with pytest.raises(psycopg.errors.UndefinedColumn):
        await look_again_and_again(Reads("rows"), look, seconds=0.1)
