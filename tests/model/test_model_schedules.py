"""The model is in step with the code: what it says of a schedule's requests is what the participants do."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import pytest
from model.cases import SMALL_CASES
from model.explore import Model
from model.protocol import Name
from model.real_participants import Databases, RealParticipants
from model.schedules import Schedule, random_plan
from model.ways import Cell, shortest_ways
from money_books import CANCELLED, read_books
from money_checks import violations
from transfer_contract.steps import Compensation, Decision, Step

AGAIN: Final = "make nightly PYTEST_ARGS=tests/model/test_model_schedules.py"
SCHEDULES: Final = 150
NIGHTLY_SCHEDULES: Final = 5000
_EVERY: Final = (None, *Decision)
_OF_RECORD: Final = (None, Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED)
_FOUND: Final[dict[Name, tuple[Decision | None, ...]]] = {
    Step.WITHDRAW: _EVERY,
    Step.DEPOSIT: _EVERY,
    Step.RECORD: _OF_RECORD,
    Step.RELEASE: (None, Decision.APPLIED),
    Compensation.RECORD: _OF_RECORD,
    Compensation.DEPOSIT: _EVERY,
    Compensation.WITHDRAW: _EVERY,
}
TABLE: Final = {(name, found) for name, rows in _FOUND.items() for found in rows}
"""The rules' table, without the cells that a correct system never comes to."""


@pytest.fixture
def play(databases: Databases, record_property: Callable[[str, object], None]) -> Callable[[int, int], None]:
    """`play(seed, count)`: that many schedules, the first one of this seed, the next one of the next."""

    def run(first_seed: int, count: int) -> None:
        started = time.monotonic()
        requests = 0
        for seed in range(first_seed, first_seed + count):
            schedule = _played(databases, seed)
            requests += schedule.requests
        check_books(databases)
        told = f"model against code: {count} schedules from seed {first_seed}, {requests} requests"
        record_property("figure", f"{told} in {time.monotonic() - started:.0f} s")

    return run


def test_the_participants_do_what_the_model_says_in_every_cell_of_the_table(databases: Databases) -> None:
    met: set[Cell] = set()
    for plan in SMALL_CASES.values():
        for cell, way in shortest_ways(Model(plan)):
            if cell not in met:
                met.add(cell)
                real = RealParticipants(databases, plan, f"way-{len(met)}")
                with told_on_failure(Schedule(plan, real, Random(0))) as schedule:  # noqa: S311
                    schedule.follow(way)
    assert {(cell.name, cell.found) for cell in met} == TABLE
    check_books(databases)


@pytest.mark.timeout(600)
def test_the_participants_do_what_the_model_says(play: Callable[[int, int], None]) -> None:
    play(1, SCHEDULES)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_participants_do_what_the_model_says_on_schedules_never_seen(play: Callable[[int, int], None]) -> None:
    """`SCHEDULE_SEED`: only the one that a failure has named."""
    if seed := os.environ.get("SCHEDULE_SEED"):
        play(int(seed), 1)
    else:
        play(secrets.randbelow(1_000_000_000), NIGHTLY_SCHEDULES)


def _played(databases: Databases, seed: int) -> Schedule:
    random = Random(seed)  # noqa: S311 - a schedule, not a secret
    plan = random_plan(random)
    real = RealParticipants(databases, plan, f"seed-{seed}")
    with told_on_failure(Schedule(plan, real, random), again=f"{AGAIN} SCHEDULE_SEED={seed}") as schedule:
        schedule.play()
    return schedule


@contextmanager
def told_on_failure(schedule: Schedule, *, again: str | None = None) -> Iterator[Schedule]:
    try:
        yield schedule
    except AssertionError as error:
        error.add_note("\n".join(["after:", *schedule.told]))
        if again:
            error.add_note(f"once more: {again}")
        raise


def check_books(databases: Databases) -> None:
    """Where an operator has deleted a run before its first row, the next one may come with another request, and find
    that the door was shut on the first. Each database has stored its own first request, as rule 3 says; nothing is
    entered, and the transfer is undone. Anywhere else this is wrong, and so `violations` says it.
    """
    urls = [e.url.render_as_string(hide_password=False) for e in (databases.accounts, databases.ledger)]
    books = read_books(*urls)
    shut = {t.transfer_id for t in books.transfers.values() if books.record(t.transfer_id) == CANCELLED}
    excused = {f"the ledger has another request than {books.transfers[transfer_id]}" for transfer_id in shut}
    assert [wrong for wrong in violations(books) if wrong not in excused] == []
