"""The model is in step with the code: what it says of a schedule's requests is what the participants do."""

import secrets
import time
from collections.abc import Callable
from random import Random
from typing import Final

import pytest
from model.protocol import Name
from model.real_participants import Databases, RealParticipants
from model.schedules import Cell, Schedule, random_plan
from money_checks import check_money
from transfer_contract.steps import Compensation, Decision, Step

SCHEDULES: Final = 150
NIGHTLY_SCHEDULES: Final = 5000
_FOUND: Final[dict[Name, tuple[Decision | None, ...]]] = {
    Step.WITHDRAW: (None, *Decision),
    Step.DEPOSIT: (None, *Decision),
    Step.RECORD: (None, Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED),
    Step.RELEASE: (None, Decision.APPLIED),
    Compensation.RECORD: (None, Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED),
    Compensation.DEPOSIT: (None, *Decision),
    Compensation.WITHDRAW: (None, *Decision),
}
TABLE: Final = {Cell(name, found) for name, rows in _FOUND.items() for found in rows}
"""Every cell of the rules' table that can be met in a correct system."""


@pytest.fixture
def play(databases: Databases, record_property: Callable[[str, object], None]) -> Callable[[int, int], None]:
    """`play(seed, count)`: that many schedules, the first one of this seed, the next one of the next."""

    def run(first_seed: int, count: int) -> None:
        started = time.monotonic()
        cells: set[Cell] = set()
        requests = 0
        for seed in range(first_seed, first_seed + count):
            schedule = _played(databases, seed)
            cells |= schedule.cells
            requests += schedule.requests
        assert cells == TABLE
        check_money(*(e.url.render_as_string(hide_password=False) for e in (databases.accounts, databases.ledger)))
        told = f"model against code: {count} schedules from seed {first_seed}, {requests} requests"
        record_property("figure", f"{told} in {time.monotonic() - started:.0f} s")

    return run


@pytest.mark.timeout(600)
def test_the_participants_do_what_the_model_says(play: Callable[[int, int], None]) -> None:
    play(1, SCHEDULES)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_participants_do_what_the_model_says_on_schedules_never_seen(play: Callable[[int, int], None]) -> None:
    play(secrets.randbelow(1_000_000_000), NIGHTLY_SCHEDULES)


def _played(databases: Databases, seed: int) -> Schedule:
    random = Random(seed)  # noqa: S311 - a schedule, not a secret
    plan = random_plan(random)
    schedule = Schedule(plan, RealParticipants(databases, plan, f"seed-{seed}"), random)
    try:
        schedule.play()
    except AssertionError as error:
        error.add_note("\n".join([f"seed {seed}:", *schedule.told]))
        raise
    return schedule
