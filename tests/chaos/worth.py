"""Whether a run says anything: enough transfers, checks that were read, transfers after each fault, silent logs."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from chaos.findings import Findings
from chaos.load import Work
from chaos.log_alarms import alarms
from chaos.reads import Reads
from chaos.schedule import FaultKind, ScheduledFault

TRANSFERS_PER_MINUTE: Final = 30
"""Far below what two loaded cores carry through faults: a run with fewer has tried nothing."""

EFFECTS_FROM_SECONDS: Final = 600.0


def judge_worth(findings: Findings, work: Work, all_reads: Iterable[Reads]) -> None:
    add = findings.violations.add
    if missing := findings.recoveries.missing:
        add("transfers complete again after each fault", f"after {missing} none was seen to")
    for reads in all_reads:
        if reads.problem:
            add("what is checked can be read", reads.problem)
    transfers = findings.promises.statuses.total()
    if transfers < TRANSFERS_PER_MINUTE * work.seconds / 60:
        add("the run is worth something", f"{transfers} transfers in {work.seconds:.0f} s: it has tried nothing")


def judge_effects(
    findings: Findings, faults: Iterable[ScheduledFault], injected: Collection[str], *, seconds: float
) -> None:
    """In a short run a kind comes once or twice, and may find nothing to break."""
    if seconds < EFFECTS_FROM_SECONDS:
        return
    for kind in sorted({fault.kind for fault in faults} - {FaultKind(kind) for kind in injected}):
        findings.violations.add("each kind of fault has an effect", f"{kind} never had one")


def judge_logs(findings: Findings, logs: Path) -> None:
    for line in alarms(logs):
        findings.violations.add("no log has a defect or rule 7's alarm", line)
