"""What every activity for a list of a batch's transfers does at its edge: each transfer's outcome apart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from transfer_contract.batches import (
    BatchItems,
    BatchUndo,
    Decided,
    Decisions,
    Failing,
    position_of,
    positions_in,
    ranges_of,
    transfer_id_in,
)
from transfer_contract.steps import Decision, Failure, StepError, StepRow, refusal_of
from transfer_contract.transfers import Scenario

from service_runtime.activity_edge import Attempt, this_attempt
from service_runtime.activity_interceptor import step_error
from service_runtime.database import DATABASE_AWAY, in_transaction

Answer = TypeVar("Answer")

_SLOW: Final = frozenset({Scenario.SLOW, Scenario.SLOW_COMPENSATION})


class MayFail(Protocol):
    """A transfer, as much of it as its demo scenario needs."""

    @property
    def transfer_id(self) -> str: ...
    @property
    def scenario(self) -> Scenario | None: ...


PlayedBy = TypeVar("PlayedBy", bound=MayFail)


def transfer_ids(items: BatchItems | BatchUndo) -> list[str]:
    """In the order of their positions."""
    return [transfer_id_in(items.batch_id, position) for position in sorted(positions_in(items.positions))]


def attempt_on(items: BatchItems | BatchUndo) -> Attempt:
    """Inside an activity only. Transfers that had failed before, in a larger list, have had more attempts."""
    attempt = this_attempt()
    if isinstance(items, BatchUndo):
        return attempt
    return replace(
        attempt,
        number=attempt.number + items.attempts_before,
        last_error=attempt.last_error or items.last_error,
    )


def play_faults(transfers: Iterable[PlayedBy], before: Callable[[PlayedBy], None]) -> dict[str, StepError]:
    """The demo faults of a list, by transfer id. What is slow is slow once, for all of them."""
    failing: dict[str, StepError] = {}
    slept: set[Scenario] = set()
    for transfer in transfers:
        if transfer.scenario is None or transfer.scenario in slept:
            continue
        slept |= {transfer.scenario} & _SLOW
        try:
            before(transfer)
        except ApplicationError as error:
            failing[transfer.transfer_id] = step_error(error)
    return failing


def decide_apart(
    engine: Engine, asked: Sequence[str], work: Callable[[Connection, Sequence[str]], Sequence[Answer]]
) -> tuple[dict[str, Answer], dict[str, StepError]]:
    """`work` on all of them in one transaction, or in smaller ones where the database refuses what one of them does.

    Answers and errors by transfer id. Raises where the database is away, or not to be written to: that says nothing
    about a single one.
    """
    if not asked:
        return {}, {}
    try:
        answers = in_transaction(engine, lambda connection: work(connection, asked))
    except DATABASE_AWAY as error:
        raise ApplicationError("the database doesn't answer", type="database_unavailable") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise ApplicationError("the database can't be written to", type="database_unavailable") from error
        why = f"{type(error).__name__}: {error.orig}"
        structlog.get_logger().error("the database refused a step", first=asked[0], of=len(asked), error=why)
        if len(asked) == 1:
            return {}, {asked[0]: StepError(code="database_error", detail="the database refused the step")}
    else:
        return dict(zip(asked, answers, strict=True)), {}
    middle = len(asked) // 2
    first, first_errors = decide_apart(engine, asked[:middle], work)
    second, second_errors = decide_apart(engine, asked[middle:], work)
    return first | second, first_errors | second_errors


def answer_for(
    items: BatchItems | BatchUndo, rows: Mapping[str, StepRow], errors: Mapping[str, StepError]
) -> Decisions:
    """Raises the first error where all of them must succeed: the next attempt finds the others decided."""
    if errors and items.must_succeed:
        error = next(iter(errors.values()))
        raise ApplicationError(error.detail, type=error.code)
    decided: defaultdict[tuple[Decision, Failure | None], list[int]] = defaultdict(list)
    for transfer_id, row in rows.items():
        decided[row.decision, _failure_in(row)].append(position_of(transfer_id))
    failing: defaultdict[StepError, list[int]] = defaultdict(list)
    for transfer_id, error in errors.items():
        failing[error].append(position_of(transfer_id))
    return Decisions(
        decided=tuple(
            Decided(decision=decision, failure=failure, positions=ranges_of(positions))
            for (decision, failure), positions in decided.items()
        ),
        failing=tuple(Failing(error=error, positions=ranges_of(positions)) for error, positions in failing.items()),
    )


def _failure_in(row: StepRow) -> Failure | None:
    match row.decision:
        case Decision.APPLIED:
            return None
        case Decision.REJECTED:
            return refusal_of(row)
    return row.failure
