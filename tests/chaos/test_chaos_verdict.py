"""What a run is judged by as a whole: each end by its kind, the shares, what is excused, its worth, its logs."""

from pathlib import Path
from typing import cast

import httpx
import pytest
from chaos.ends import judge_ends, judge_rejected, judge_share
from chaos.final_checks import FinalChecks
from chaos.findings import Findings
from chaos.load import Work
from chaos.operations import Kind
from chaos.patient_client import AS_PROMISED
from chaos.planted_books import PlantedBooks
from chaos.promises import Promise
from chaos.reads import LONGEST_GAP_SECONDS, LONGEST_GAP_THROUGH_FAULTS_SECONDS, Reads, longest_gap_in
from chaos.row_watch import RowWatch
from chaos.schedule import FaultKind
from chaos.violations import MOST
from chaos.worth import judge_logs, judge_worth
from temporalio.client import Client


def found(findings: Findings) -> set[str]:
    return {violation.check for violation in findings.violations.all}


def ended(kind: Kind, status: str) -> Promise:
    return Promise("t", "key", kind, {}, 0.0, status)


@pytest.mark.parametrize(
    ("kind", "status", "is_right"),
    [
        (Kind.VALID, "completed", True),
        (Kind.VALID, "compensated", True),
        (Kind.VALID, "rejected", False),
        (Kind.OPENING, "rejected", False),
        (Kind.INSUFFICIENT, "rejected", True),
        (Kind.INSUFFICIENT, "completed", False),
        (Kind.REFUSED, "compensated", True),
        (Kind.REFUSED, "completed", False),
        (Kind.REFUSED, "rejected", False),
        (Kind.CONTENDED, "rejected", True),
        (Kind.CLOSED, "rejected", False),
        (Kind.CANCELLED, "rejected", False),
    ],
)
def test_each_transfer_ends_as_its_kind_may(findings: Findings, kind: Kind, status: str, is_right: bool) -> None:
    judge_ends([ended(kind, status)], findings.violations)
    assert found(findings) == (set() if is_right else {"each transfer ends as its kind may"})


@pytest.mark.parametrize(("completed", "checks"), [(9, 0), (8, 1)])
@pytest.mark.parametrize("kind", [Kind.VALID, Kind.OPENING])
def test_nine_of_ten_complete(findings: Findings, kind: Kind, completed: int, checks: int) -> None:
    transfers = [ended(kind, "completed")] * completed + [ended(kind, "compensated")] * (10 - completed)
    share = judge_share(transfers, kind, findings.violations.add)
    assert (share.could, share.completed) == (10, completed)
    assert len(findings.violations.all) == checks


def test_a_run_without_transfers_to_judge_by_has_not_passed(findings: Findings) -> None:
    judge_share([], Kind.VALID, findings.violations.add)
    assert found(findings) == {"there are transfers to be judged by"}


@pytest.mark.parametrize(("rejected", "undone", "checks"), [(2, 3, 0), (2, 4, 1), (90, 10, 0), (89, 11, 1), (0, 0, 0)])
def test_nine_of_ten_that_lack_the_money_are_rejected_but_for_a_few(
    findings: Findings, rejected: int, undone: int, checks: int
) -> None:
    transfers = [ended(Kind.INSUFFICIENT, "rejected")] * rejected + [ended(Kind.INSUFFICIENT, "compensated")] * undone
    judge_rejected(
        [*transfers, ended(Kind.INSUFFICIENT, ""), ended(Kind.VALID, "compensated")], findings.violations.add
    )
    assert len(findings.violations.all) == checks


def read(check: str, allowed: float, *, succeeded: int = 1, gap: float = 0.0) -> Reads:
    return Reads(check, allowed, succeeded=succeeded, longest_gap_seconds=gap)


@pytest.mark.parametrize(
    ("reads", "is_right"),
    [
        (read("rows", LONGEST_GAP_SECONDS, gap=80), True),
        (read("rows", LONGEST_GAP_SECONDS, gap=100), False),
        (read("list", LONGEST_GAP_THROUGH_FAULTS_SECONDS, gap=290), True),
        (read("list", LONGEST_GAP_THROUGH_FAULTS_SECONDS, gap=310), False),
        (read("list", LONGEST_GAP_THROUGH_FAULTS_SECONDS, succeeded=0), False),
    ],
)
def test_a_check_that_was_read_too_rarely_is_said(findings: Findings, reads: Reads, is_right: bool) -> None:
    judge_worth(findings, Work(), [reads])
    assert found(findings) == (set() if is_right else {"what is checked can be read"})


@pytest.mark.parametrize(("minutes", "gap"), [(0.5, 90), (3, 90), (5, 150), (10, 300), (60, 300)])
def test_the_shorter_a_run_the_shorter_is_the_longest_gap_in_it(minutes: float, gap: float) -> None:
    assert longest_gap_in(minutes * 60) == gap


def test_a_fault_after_which_no_transfer_completed_is_said(findings: Findings) -> None:
    findings.recoveries.fault_began(1.0)
    findings.recoveries.completed(0.5, 2.0)
    judge_worth(findings, Work(), [])
    assert found(findings) == {"transfers complete again after each fault"}


def test_a_run_with_next_to_no_transfers_is_worth_nothing(findings: Findings) -> None:
    judge_worth(findings, Work(seconds=180), [])
    assert found(findings) == {"the run is worth something"}


def test_a_defect_or_an_alarm_in_a_log_is_said_with_its_line(findings: Findings, tmp_path: Path) -> None:
    refused = '{"event": "the database refused a step", "exception": "…psycopg.errors.ReadOnlySqlTransaction…"}'
    (tmp_path / "gateway.log").write_text(f'{{"event": "request"}}\n{refused}\n')
    judge_logs(findings, tmp_path)
    assert found(findings) == set()
    alarms = {
        "account-worker-1.log": '{"event": "guard violated", "step": "release"}',
        "ledger-worker-1.log": '{"event": "the database refused a step", "exception": "…exc.IntegrityError…"}',
        "status-checker.log": '{"event": "unhandled error"}',
    }
    for name, line in alarms.items():
        (tmp_path / name).write_text(f"{line}\n")
    judge_logs(findings, tmp_path)
    details = [violation.detail for violation in findings.violations.all]
    assert details == [f"{name}: {line}" for name, line in alarms.items()]


@pytest.mark.parametrize(
    ("transfer_id", "asked_at", "deleted", "excused"),
    [
        ("nobody's", 5.0, "nobody's", 1),  # no row of it was ever seen
        ("held", 5.0, "held", 1),  # its first row came later
        ("held", 50.0, "held", 0),  # whoever has rows is never forgotten
        ("nobody's", 5.0, "another", 0),
    ],
)
def test_only_answers_about_a_deleted_transfer_before_its_first_row_are_excused(
    books: PlantedBooks, findings: Findings, transfer_id: str, asked_at: float, deleted: str, excused: int
) -> None:
    rows = RowWatch(*books.urls, findings.violations)
    rows.seen_at["held"] = 20.0
    checks = FinalChecks(rows, cast("httpx.AsyncClient", None), cast("Client", None), findings)
    checks.strikes.trying(FaultKind.WORKFLOW_DELETED, f"transfer-{deleted}")
    findings.violations.add(AS_PROMISED, "404", transfer_id, asked_at=asked_at)
    assert findings.violations.excuse(AS_PROMISED, checks.is_about_forgotten) == excused
    assert len(findings.violations.all) == 1 - excused


def test_one_for_which_the_excused_ones_left_no_room_is_said(findings: Findings) -> None:
    for number in range(MOST):
        findings.violations.add(AS_PROMISED, f"404 {number}")
    findings.violations.add("sums are zero per currency", "EUR: 1")
    assert findings.violations.excuse(AS_PROMISED, lambda _found: True) == MOST
    assert found(findings) == {"sums are zero per currency"}
