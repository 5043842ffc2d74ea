"""The part of a run in which the clients work, and the wait for its end: who is late or broken is said."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from chaos import chaos_run, version_faults
from chaos.chaos_run import ChaosRun
from chaos.chaos_system import ChaosSystem
from chaos.checks import ContinuousChecks
from chaos.effect import Effect
from chaos.findings import Findings
from chaos.load import Load
from chaos.operations import Kind, Operation
from chaos.row_history import AccountRows
from chaos.row_watch import RowWatch
from chaos.schedule import FaultKind, ScheduledFault
from chaos.strikes import Strikes
from chaos.worth import judge_effects


class Watcher:
    def phase(self, text: str) -> None: ...
    def fault_began(self, fault: Any) -> None: ...
    def fault_ended(self, fault: Any, effect: Any) -> None: ...


class Clients:
    """Done when they are asked to stop; or broken at once, or never done."""

    def __init__(self, *, broken: bool = False, endless: bool = False) -> None:
        self._broken = broken
        self._endless = endless

    async def run(self, stop: asyncio.Event) -> None:
        if self._broken:
            raise LookupError("a defect of the clients")
        await stop.wait()
        if self._endless:
            await asyncio.Event().wait()


async def under_load(clients: Clients, findings: Findings, *, seconds: float) -> None:
    async def heal() -> None: ...

    system = SimpleNamespace(accounts_url="", ledger_url="", heal=heal)
    run = ChaosRun(cast("ChaosSystem", system), findings, Watcher())
    await run._under_load(cast("Load", clients), [], seconds)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_run, "LEAD_SECONDS", 0.01)
    monkeypatch.setattr(chaos_run, "FINAL_WITHIN_SECONDS", 0.5)
    monkeypatch.setattr(chaos_run, "_LOOK_SECONDS", 0.01)


async def test_clients_that_are_answered_end_with_the_run(findings: Findings) -> None:
    await under_load(Clients(), findings, seconds=0.01)
    assert findings.violations.all == []


async def test_clients_that_are_never_answered_are_said(findings: Findings) -> None:
    await under_load(Clients(endless=True), findings, seconds=0.01)
    assert [found.check for found in findings.violations.all] == ["every request is answered after healing"]


async def test_a_defect_among_the_clients_ends_the_run_at_once(findings: Findings) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await under_load(Clients(broken=True), findings, seconds=60)
    assert raised.group_contains(LookupError)


@pytest.mark.parametrize(("seconds", "checks"), [(599.0, []), (600.0, ["each kind of fault has an effect"])])
def test_a_kind_that_never_had_an_effect_in_a_long_run_is_said(
    findings: Findings, seconds: float, checks: list[str]
) -> None:
    faults = [ScheduledFault(0, kind, "", 1, ()) for kind in (FaultKind.LINK_CUT, FaultKind.DISK_FULL)]
    judge_effects(findings, faults, [FaultKind.LINK_CUT], seconds=seconds)
    assert [found.check for found in findings.violations.all] == checks
    assert all("disk_full" in found.detail for found in findings.violations.all)


async def test_a_fault_counts_for_its_target_where_it_had_an_effect(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inject(_system: ChaosSystem, fault: ScheduledFault) -> Effect:
        return Effect(fault.numbers[0], "")

    monkeypatch.setattr(chaos_run, "inject", inject)
    run = ChaosRun(cast("ChaosSystem", SimpleNamespace(accounts_url="", ledger_url="")), findings, Watcher())
    faults = [
        ScheduledFault(0, FaultKind.PROCESS_KILL, target, 0, (n,)) for target, n in (("a", 1), ("a", 2), ("b", 0))
    ]
    await run._inject_all(faults, 0)
    assert run._by_target == {("a", FaultKind.PROCESS_KILL): 2}
    assert (run._injected, run._without_effect) == ({FaultKind.PROCESS_KILL: 2}, {FaultKind.PROCESS_KILL: 1})
    assert findings.recoveries.missing == 2


class Rows:
    """The rows of one transfer, as the last look found them; the next look finds the `later` ones."""

    def __init__(self, *, status: str, later: str) -> None:
        self._later = later
        self.transfers = {"late": AccountRows("late", (), status, ())}

    @property
    def not_final(self) -> list[AccountRows]:
        return [rows for rows in self.transfers.values() if not rows.status]

    async def look_at_rows(self) -> None:
        self.transfers["late"] = AccountRows("late", (), self._later, ())


async def settle(findings: Findings, rows: Rows, *, deleted: str = "") -> float:
    strikes = Strikes()
    strikes.trying(FaultKind.WORKFLOW_DELETED, f"transfer-{deleted}")
    system = SimpleNamespace(accounts_url="", ledger_url="", strikes=strikes)
    run = ChaosRun(cast("ChaosSystem", system), findings, Watcher())
    run._rows = cast("RowWatch", rows)
    return await run._settle(cast("ContinuousChecks", rows), time.monotonic())


@pytest.mark.parametrize(
    ("status", "later", "late", "waits"),
    [
        ("completed", "completed", [], False),
        ("", "", ["late"], True),
        ("", "completed", [], True),  # only the last reading was too old
    ],
)
async def test_a_transfer_that_is_not_final_in_time_is_said(
    findings: Findings, status: str, later: str, late: list[str], waits: bool
) -> None:
    seconds = await settle(findings, Rows(status=status, later=later))
    assert (seconds >= 0.5) is waits
    assert [found.transfer_id for found in findings.violations.all] == late
    assert {found.check for found in findings.violations.all} <= {"every transfer is final 120 s after healing"}


@pytest.mark.parametrize(("deleted", "late"), [("", ["without rows"]), ("without rows", [])])
async def test_an_acknowledged_transfer_that_has_no_end_in_time_is_said_unless_it_was_deleted(
    findings: Findings, deleted: str, late: list[str]
) -> None:
    findings.promises.acknowledged(Operation(1, 1, Kind.VALID, "key", {}), "without rows", 0.0)
    await settle(findings, Rows(status="completed", later="completed"), deleted=deleted)
    assert [found.transfer_id for found in findings.violations.all] == late


async def test_a_deployment_does_not_begin_while_the_one_before_it_is_under_way() -> None:
    system = SimpleNamespace(deployment=asyncio.Lock())
    async with system.deployment:
        fault = ScheduledFault(0, FaultKind.WORKER_DEPLOYMENT, "transfers", 1, ())
        assert (await version_faults.deploy(cast("ChaosSystem", system), fault)).count == 0
