"""The figures of one chaos run, as the terminal, the evidence folder and docs/proof.md have them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chaos.chaos_run import Outcome
from chaos.findings import Findings
from chaos.journal import UNKNOWN
from chaos.operations import Kind
from proof_parts import commit


@dataclass(frozen=True)
class Summary:
    """`transfers` by final status, without the openings of accounts. All durations in seconds."""

    passed: bool
    seed: int
    commit: str
    minutes: float
    command: str
    faults: dict[str, int]
    faults_by_target: dict[str, dict[str, int]]
    """By target, then by kind; of a kind and a target that never met, nothing."""
    faults_without_effect: dict[str, int]
    faults_impossible: dict[str, str]
    """By kind, why this machine doesn't allow it."""
    kills: int
    transfers: dict[str, int]
    accounts: int
    valid: int
    valid_completed: int
    openings: int
    openings_completed: int
    ended_by_operators: int
    forgotten: int
    excused: int
    """Answers to what was forgotten."""
    operations: int
    operations_skipped: int
    operations_at_once: int
    operations_per_second: float
    requests: int
    requests_unknown: int
    compared_with_api: int
    compared_with_temporal: int
    batches: int
    """Whose workflow has closed with a result."""
    opened_seconds: float
    longest_recovery_seconds: float
    longest_transfer_seconds: float
    healed_seconds: float
    settled_seconds: float
    reads: list[dict[str, Any]]
    violations: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        total = sum(self.transfers.values())
        yield f"{'faults':<22}{sum(self.faults.values())}: " + _listed(self.faults)
        if self.faults_without_effect:
            yield f"{'  without effect':<22}{_listed(self.faults_without_effect)}"
        for kind, reason in self.faults_impossible.items():
            yield f"{'  impossible here':<22}{kind}: {reason}"
        yield f"{'transfers':<22}{total}: " + _listed(self.transfers)
        yield f"{'batches':<22}{self.batches} closed with a result"
        yield f"{'valid completed':<22}{_share(self.valid_completed, self.valid)}"
        yield f"{'openings completed':<22}{_share(self.openings_completed, self.openings)}"
        yield (
            f"{'operations':<22}{self.operations}, {self.operations_per_second:.1f} a second, "
            f"{self.operations_at_once} at most at once; {self.operations_skipped} skipped"
        )
        yield f"{'struck by operators':<22}{self.ended_by_operators}, of them {self.forgotten} forgotten"
        yield f"{'answers excused':<22}{self.excused}, about what was deleted before its first row"
        yield f"{'answers unknown':<22}{self.requests_unknown} of {self.requests}, repeated until they were known"
        yield f"{'longest recovery':<22}{self.longest_recovery_seconds:.1f} s, from a fault to a later transfer's end"
        yield f"{'longest transfer':<22}{self.longest_transfer_seconds:.1f} s"
        yield f"{'healed':<22}{self.healed_seconds:.1f} s after the last fault"
        yield f"{'all final':<22}{self.settled_seconds:.1f} s after healing"
        for reads in self.reads:
            yield (
                f"{reads['check']:<22}checked {reads['succeeded']} times, {reads['unknown']} times unknown, "
                f"longest {reads['longest_gap_seconds']:.1f} s without"
            )
        yield f"{'again':<22}{self.command}"


def _share(completed: int, number: int) -> str:
    return f"{completed} of {number}: {100 * completed / number if number else 0.0:.1f} %"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


@dataclass(frozen=True)
class Plan:
    """What makes a run the same run: with the commit, the seed says everything."""

    seed: int
    minutes: float
    kinds: tuple[str, ...]
    """Empty for all."""
    docker: bool = False

    @property
    def command(self) -> str:
        faults = f" FAULTS={','.join(self.kinds)}" if self.kinds else ""
        return f"make chaos SEED={self.seed} MINUTES={self.minutes:g}{faults} DOCKER={'yes' if self.docker else 'no'}"


def _by_target(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (target, kind), number in sorted(counts.items()):
        found.setdefault(target, {})[str(kind)] = number
    return found


def summarise(plan: Plan, outcome: Outcome, findings: Findings, *, impossible: Mapping[str, str]) -> Summary:
    promises = findings.promises.all
    durations = [
        promise.ended_at - promise.asked_at
        for promise in promises
        if promise.ended_at and promise.kind is not Kind.OPENING
    ]
    answers = findings.journal.answers
    compared, work = outcome.compared, outcome.work
    return Summary(
        passed=not findings.violations.all,
        seed=plan.seed,
        commit=commit(),
        minutes=plan.minutes,
        command=plan.command,
        faults=dict(outcome.faults.most_common()),
        faults_by_target=_by_target(outcome.by_target),
        faults_without_effect=dict(outcome.without_effect.most_common()),
        faults_impossible=dict(impossible),
        kills=sum(number for kind, number in outcome.faults.items() if "kill" in kind),
        transfers=dict(findings.promises.statuses.most_common()),
        accounts=sum(promise.kind is Kind.OPENING for promise in promises),
        valid=compared.valid.could,
        valid_completed=compared.valid.completed,
        openings=compared.openings.could,
        openings_completed=compared.openings.completed,
        ended_by_operators=len(compared.ended_by_operators),
        forgotten=outcome.forgotten,
        excused=compared.excused,
        operations=work.performed,
        operations_skipped=work.skipped,
        operations_at_once=work.most_at_once,
        operations_per_second=round(work.performed / work.seconds, 2) if work.seconds else 0.0,
        requests=answers.total(),
        requests_unknown=answers[UNKNOWN],
        compared_with_api=compared.with_api,
        compared_with_temporal=compared.with_temporal,
        batches=compared.batches,
        opened_seconds=round(outcome.opened_seconds, 1),
        longest_recovery_seconds=round(findings.recoveries.longest_seconds, 1),
        longest_transfer_seconds=round(max(durations, default=0.0), 1),
        healed_seconds=round(outcome.healed_seconds, 1),
        settled_seconds=round(outcome.settled_seconds, 1),
        reads=[
            {
                "check": reads.check,
                "succeeded": reads.succeeded,
                "unknown": reads.unknown,
                "longest_gap_seconds": round(reads.longest_gap_seconds, 1),
            }
            for reads in outcome.reads
        ],
        violations=len(findings.violations.all),
    )
