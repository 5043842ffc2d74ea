"""One chaos run: accounts, load and checks, faults by the schedule, healing, the end of every transfer."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import httpx
from chaos.chaos_system import ChaosSystem
from chaos.checks import ContinuousChecks
from chaos.closed_workflows import ClosedWorkflows
from chaos.effect import Effect
from chaos.faults import inject
from chaos.final_batches import Compared
from chaos.final_checks import FinalChecks
from chaos.findings import Findings
from chaos.load import Load, Work
from chaos.promises import Promise
from chaos.reads import Reads
from chaos.row_watch import RowWatch
from chaos.schedule import ScheduledFault
from chaos.worth import judge_effects, judge_logs, judge_worth
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

FINAL_WITHIN_SECONDS: Final = 120
_OPENED_WITHIN_SECONDS: Final = 600
LEAD_SECONDS: Final = 5.0
"""Load alone, before the first fault and after the last one."""
_LOOK_SECONDS: Final = 1.0


class Observer(Protocol):
    """Told what happens while it happens."""

    def phase(self, text: str) -> None: ...
    def fault_began(self, fault: ScheduledFault) -> None: ...
    def fault_ended(self, fault: ScheduledFault, effect: Effect) -> None: ...


@dataclass(frozen=True)
class Outcome:
    faults: Counter[str]
    """By kind, those that had an effect."""
    by_target: Counter[tuple[str, str]]
    """The same by target and kind."""
    without_effect: Counter[str]
    """What they would have broken was away itself, or nothing came by meanwhile."""
    compared: Compared
    forgotten: int
    """Transfers that were deleted before their first row, and asked for once more at the end."""
    reads: list[Reads]
    work: Work
    opened_seconds: float
    healed_seconds: float
    settled_seconds: float
    """From healing until every transfer was final, or until the run gave up."""


class ChaosRun:
    def __init__(self, system: ChaosSystem, findings: Findings, observer: Observer) -> None:
        self._system = system
        self._findings = findings
        self._observer = observer
        self._rows = RowWatch(system.accounts_url, system.ledger_url, findings.violations)
        self._injected: Counter[str] = Counter()
        self._without_effect: Counter[str] = Counter()
        self._by_target: Counter[tuple[str, str]] = Counter()

    async def run(self, seed: int, faults: Sequence[ScheduledFault], *, seconds: float) -> Outcome:
        """The faults' times count from the moment at which the load begins."""
        temporal = await Client.connect(self._system.temporal_address, data_converter=pydantic_data_converter)
        system, strikes = self._system, self._system.strikes
        workflows = ClosedWorkflows(system.accounts_url, temporal, self._findings.violations, strikes)
        load = Load(system.gateway_url, seed, self._findings)
        async with httpx.AsyncClient(base_url=self._system.gateway_url, timeout=60, trust_env=False) as api:
            checks = ContinuousChecks(self._rows, workflows, api, self._findings, run_seconds=seconds)
            async with _in_background(checks.run()):
                opened_seconds = await self._open_accounts(load)
                healed_seconds, healed_at = await self._under_load(load, faults, seconds)
                settled_seconds = await self._settle(checks, healed_at)
                forgotten = await self._ask_for_forgotten(load)
            await load.close()
            await checks.look_at_rows()
            self._observer.phase("Compare every transfer: API, databases, Temporal")
            final_checks = FinalChecks(self._rows, api, temporal, self._findings)
            compared = await final_checks.run(system.accounts_url, system.ledger_url, strikes)
            await workflows.look_at_all()
        judge_worth(self._findings, load.work, checks.reads)
        judge_effects(self._findings, faults, self._injected.keys(), seconds=seconds)
        await asyncio.to_thread(judge_logs, self._findings, system.logs)
        return Outcome(
            self._injected,
            self._by_target,
            self._without_effect,
            compared,
            forgotten,
            checks.reads,
            load.work,
            opened_seconds,
            healed_seconds,
            settled_seconds,
        )

    async def _open_accounts(self, load: Load) -> float:
        self._observer.phase("Open the hot accounts")
        began = time.monotonic()
        async with asyncio.timeout(_OPENED_WITHIN_SECONDS):
            await load.open_accounts()
        return time.monotonic() - began

    async def _under_load(self, load: Load, faults: Sequence[ScheduledFault], seconds: float) -> tuple[float, float]:
        """Answers how long healing took, and when it was done (monotonic)."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:  # a defect among the clients ends the run at once
            clients = group.create_task(load.run(stop))
            self._observer.phase("Load and faults")
            await self._inject_all(faults, seconds)
            self._observer.phase("Heal everything")
            healing = time.monotonic()
            await self._system.heal()
            healed_at = time.monotonic()
            await asyncio.sleep(LEAD_SECONDS)
            stop.set()
            self._observer.phase(f"Healed; every transfer is to be final within {FINAL_WITHIN_SECONDS} s")
            await self._until_acknowledged(clients, healed_at)
        return healed_at - healing, healed_at

    async def _inject_all(self, faults: Sequence[ScheduledFault], seconds: float) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as injections:
            for fault in faults:
                injections.create_task(self._inject_in_time(fault, began))
            injections.create_task(asyncio.sleep(seconds))

    async def _inject_in_time(self, fault: ScheduledFault, began: float) -> None:
        await asyncio.sleep(began + fault.at_seconds - time.monotonic())
        self._observer.fault_began(fault)
        self._findings.journal.write("fault began", fault=repr(fault))
        recovery = self._findings.recoveries.fault_began(self._findings.journal.now)
        effect = await self._effect_of(fault)
        self._findings.journal.write("fault ended", fault=repr(fault), effect=effect.count, what=effect.what)
        self._observer.fault_ended(fault, effect)
        if effect.count:
            self._injected[fault.kind] += 1
            self._by_target[fault.target, fault.kind] += 1
        else:
            self._without_effect[fault.kind] += 1
            self._findings.recoveries.had_no_effect(recovery)

    async def _effect_of(self, fault: ScheduledFault) -> Effect:
        """What a fault itself finds to be wrong is said like all else, and the run goes on."""
        try:
            return await inject(self._system, fault)
        except (TimeoutError, AssertionError) as error:
            detail = f"{fault.kind} of {fault.target}: {error}"
            self._findings.violations.add("a fault comes to its end, and finds nothing wrong", detail)
            return Effect(0, detail)

    async def _until_acknowledged(self, clients: "asyncio.Task[None]", healed_at: float) -> None:
        """Clients repeat what they got no answer to."""
        done, _ = await asyncio.wait([clients], timeout=healed_at + FINAL_WITHIN_SECONDS - time.monotonic())
        if not done:
            clients.cancel()
            self._findings.violations.add(
                "every request is answered after healing", f"some weren't within {FINAL_WITHIN_SECONDS} s"
            )

    async def _settle(self, checks: ContinuousChecks, healed_at: float) -> float:
        """The rows are read by the checks in the background meanwhile. What isn't final in time is said."""
        while self._unsettled() and time.monotonic() < healed_at + FINAL_WITHIN_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        settled_seconds = time.monotonic() - healed_at
        if self._unsettled():
            await checks.look_at_rows()  # the last look may be an old one
            for transfer_id in self._unsettled():
                detail = f"{transfer_id}: {self._rows.transfers.get(transfer_id)}"
                self._findings.violations.add("every transfer is final 120 s after healing", detail, transfer_id)
        return settled_seconds

    def _unsettled(self) -> set[str]:
        """What was deleted may be forgotten: that is asked for once more."""
        acknowledged = {promise.transfer_id for promise in self._findings.promises.open}
        return (acknowledged - self._system.strikes.deleted) | {rows.transfer_id for rows in self._rows.not_final}

    async def _ask_for_forgotten(self, load: Load) -> int:
        """With its key it comes to an end all the same; whoever doesn't is said by the final checks."""
        forgotten = [promise for promise in self._findings.promises.open if self._is_forgotten(promise)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINAL_WITHIN_SECONDS):
                await load.send_again(forgotten)
        return len(forgotten)

    def _is_forgotten(self, promise: Promise) -> bool:
        is_deleted = promise.transfer_id in self._system.strikes.deleted
        return is_deleted and promise.transfer_id not in self._rows.seen_at


@contextlib.asynccontextmanager
async def _in_background(work: "Awaitable[None]") -> AsyncIterator[None]:
    """Ends it with the block. What fails in it fails the block, for a run without its checks says nothing."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_awaited(work))
        yield
        task.cancel()


async def _awaited(work: "Awaitable[None]") -> None:
    await work
