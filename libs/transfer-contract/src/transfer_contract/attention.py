"""What needs an operator: what, why, since when, and where the runbook says what to do."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from transfer_contract.names import Process
from transfer_contract.steps import Compensation, Payload, Step, StepError


class AttentionKind(StrEnum):
    """The most urgent first. Each has a section of its name in docs/runbook.md."""

    UNBALANCED = "unbalanced"
    """Accounts and ledger disagree, or a sum isn't zero."""
    PARKED = "parked"
    """A compensation or `release` keeps failing. It is retried without end."""
    STUCK = "stuck"
    """A workflow's tasks fail in a row: its code has a defect, or isn't the code that began it."""
    WORKER_GONE = "worker_gone"
    """Of a kind of worker none is alive."""
    COMPENSATING_LONG = "compensating_long"
    """A transfer is being undone for too long, and no step of it is parked."""
    ABANDONED = "abandoned"
    """No workflow carries the transfer, and it isn't final."""
    FINISHING = "finishing"
    """The reconciler has taken the transfer over, and isn't done yet."""
    UNOBSERVED = "unobserved"
    """Something that would be told here can't be looked at."""

    @property
    def runbook(self) -> str:
        return f"docs/runbook.md#{self.replace('_', '-')}"


class AttentionItem(Payload):
    """One thing that needs an operator. `detail` is a sentence that says why."""

    kind: AttentionKind
    since: datetime | None
    """None where it isn't known."""
    detail: str
    runbook: str
    """The section that says what to do."""
    transfer_id: str | None = None
    process: Process | None = None
    step: Step | Compensation | None = None
    failures: int | None = None
    """In a row: of the step's attempts, or of the workflow's task."""
    error: StepError | None = None
    """Of the last attempt."""
    next_attempt_at: datetime | None = None


class Attention(Payload):
    """What needs an operator as of `observed_at`, the most urgent and oldest first; empty where all is well.

    `counts` by kind are of all there is, `items` may be fewer. `unexamined`: transfers that may need attention as well,
    beyond those that are looked at one by one; a parked one among them is counted as its search attribute says.
    """

    observed_at: datetime
    counts: dict[AttentionKind, int] = Field(default_factory=dict)
    unexamined: int = 0
    items: list[AttentionItem] = Field(default_factory=list)
