"""What of all that has been looked at needs an operator, and what is to be said of it: pure."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from transfer_contract.attention import AttentionItem, AttentionKind
from transfer_contract.http import Reconciliation, WorkerGroup

from status_checker.carriers import Carried, Carrier
from status_checker.timeline import OpenStep

_URGENCY: Final = {kind: place for place, kind in enumerate(AttentionKind)}
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Thresholds:
    now: datetime
    compensating_long: timedelta


def of_transfers(
    looked_at: Iterable[Carried], final: AbstractSet[str], thresholds: Thresholds
) -> Iterator[AttentionItem]:
    """`final`: those whose rows were so after Temporal had been asked. A run that has just closed made them final."""
    for carried in looked_at:
        for carrier in carried.carriers:
            if carrier.is_open:
                yield from _of_open(carried, carrier, is_final=carried.transfer_id in final, thresholds=thresholds)
        if not carried.is_carried and carried.transfer_id not in final:
            yield _abandoned(carried)


def of_workers(groups: Iterable[WorkerGroup]) -> Iterator[AttentionItem]:
    for group in groups:
        if not group.workers:
            waiting = "" if group.backlog is None else f" {group.backlog} tasks wait for one."
            yield _item(
                AttentionKind.WORKER_GONE,
                group.gone_since,
                f"No {group.process} is alive.{waiting}",
                process=group.process,
            )


def of_books(books: Reconciliation, since: datetime) -> Iterator[AttentionItem]:
    if books.balanced:
        return
    wrong = [
        f"{totals.currency} adds up to {totals.sum_minor} minor units."
        for totals in books.currencies
        if totals.sum_minor
    ]
    if books.discrepancies:
        wrong.append(f"{len(books.discrepancies)} discrepancies, the first: {books.discrepancies[0].detail}.")
    yield _item(AttentionKind.UNBALANCED, since, " ".join(wrong) or "Accounts and ledger disagree.")


def unobserved(what: str, since: datetime) -> AttentionItem:
    return _item(AttentionKind.UNOBSERVED, since, what)


def most_urgent_first(items: Iterable[AttentionItem]) -> list[AttentionItem]:
    return sorted(
        items, key=lambda item: (_URGENCY[item.kind], item.since or _LAST, item.transfer_id or "", item.step or "")
    )


def counts(items: Sequence[AttentionItem]) -> dict[AttentionKind, int]:
    """A transfer counts once for each kind."""
    found: dict[AttentionKind, set[object]] = {}
    for item in items:
        found.setdefault(item.kind, set()).add(item.transfer_id or item.process)
    return {kind: len(found[kind]) for kind in AttentionKind if kind in found}


def _of_open(carried: Carried, carrier: Carrier, *, is_final: bool, thresholds: Thresholds) -> Iterator[AttentionItem]:
    parked = [step for step in carrier.timeline.open if step.is_parked]
    for step in parked:
        yield _parked(carried, step)
    if carrier.is_stuck:
        yield _stuck(carried, carrier, is_final=is_final)
    elif not parked:
        yield from _slow(carried, carrier, thresholds)


def _parked(carried: Carried, step: OpenStep) -> AttentionItem:
    view = step.view
    failures = view.attempts - 1  # the last one has just begun, or is still to come
    why = view.error.detail if view.error else "its worker could not say why"
    return _item(
        AttentionKind.PARKED,
        view.started_at,
        f"{view.name} has failed {failures} times in a row: {why}.",
        transfer_id=carried.transfer_id,
        step=view.name,
        failures=failures,
        error=view.error,
        next_attempt_at=view.next_attempt_at,
    )


def _stuck(carried: Carried, carrier: Carrier, *, is_final: bool) -> AttentionItem:
    settled = " The transfer itself is final: no money waits for it." if is_final else ""
    why = f": {carrier.task_failure}" if carrier.task_failure else ""
    return _item(
        AttentionKind.STUCK,
        carrier.task_since,
        f"The task of its workflow has failed {carrier.task_failures} times in a row{why}.{settled}",
        transfer_id=carried.transfer_id,
        failures=carrier.task_failures,
    )


def _slow(carried: Carried, carrier: Carrier, thresholds: Thresholds) -> Iterator[AttentionItem]:
    since = carrier.compensating_since
    waits_for = ", ".join(step.view.name for step in carrier.timeline.open) or "its workflow's next decision"
    if carrier.is_finisher:
        kind, what = AttentionKind.FINISHING, "The reconciler is finishing it"
    elif since is not None and thresholds.now - since >= thresholds.compensating_long:
        kind = AttentionKind.COMPENSATING_LONG
        what = f"It is being undone for more than {_words(thresholds.compensating_long)}"
    else:
        return
    yield _item(kind, since, f"{what}, and waits for {waits_for}.", transfer_id=carried.transfer_id)


def _abandoned(carried: Carried) -> AttentionItem:
    own = next((carrier for carrier in carried.carriers if not carrier.is_finisher), None)
    found = f"Its workflow was found {own.status}" if own else "Temporal knows no workflow of it"
    return _item(
        AttentionKind.ABANDONED,
        own.closed_at if own else None,
        f"{found}, and it isn't final. The reconciler takes it up at one of its next runs.",
        transfer_id=carried.transfer_id,
    )


def _item(kind: AttentionKind, since: datetime | None, detail: str, **more: object) -> AttentionItem:
    return AttentionItem.model_validate(
        {"kind": kind, "since": since, "detail": detail, "runbook": kind.runbook, **more}
    )


def _words(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
