"""docs/protocol.md, every state of it: nothing wrong in any, and every rule needed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
from model.cases import LOST_RULES, ONE_TRANSFER, SMALL_CASES, SPENDING_ON, TWO_TRANSFERS
from model.explore import Exploration, Explorer, Model
from model.proof import tell_dropped, tell_explored
from model.protocol import Plan, Rows, final_status
from model.rules import Rule
from transfer_contract import steps
from transfer_contract.steps import Decision, Occurrence, Step, StepRow

Explore = Callable[[str, Plan], Exploration]


@pytest.fixture
def explore(record_property: Callable[[str, object], None]) -> Explore:
    """Explores a plan, and lets the run tell how many states it has."""

    def run(name: str, plan: Plan) -> Exploration:
        started = time.process_time()
        exploration = Explorer(Model(plan)).explore()
        seconds = time.process_time() - started
        record_property("figure", f"model, {name}: {exploration.states} states in {seconds:.1f} s of CPU")
        tell_explored(name, exploration, seconds)
        return exploration

    return run


@pytest.mark.parametrize("case", ONE_TRANSFER)
def test_one_transfer_is_right_in_every_state(case: str, explore: Explore) -> None:
    exploration = explore(f"one transfer {case}", ONE_TRANSFER[case])
    assert exploration.counterexample is None, str(exploration.counterexample)


def test_two_transfers_that_share_accounts_are_right_in_every_state(explore: Explore) -> None:
    exploration = explore("two transfers, one run each", SPENDING_ON)
    assert exploration.counterexample is None, str(exploration.counterexample)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", TWO_TRANSFERS)
def test_two_transfers_are_right_in_every_state_of_the_large_cases(case: str, explore: Explore) -> None:
    exploration = explore(f"two transfers, {case}", TWO_TRANSFERS[case])
    assert exploration.counterexample is None, str(exploration.counterexample)


@pytest.mark.parametrize("plan", SMALL_CASES.values(), ids=SMALL_CASES)
def test_with_every_rule_it_finds_none_in_the_same_cases(plan: Plan) -> None:
    assert Explorer(Model(plan)).explore().counterexample is None


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_without_this_rule_the_model_finds_a_counterexample(rule: Rule) -> None:
    plan, wrong = LOST_RULES[rule]
    started = time.process_time()
    exploration = Explorer(Model(plan, frozenset({rule}))).explore()
    tell_dropped(rule, exploration, time.process_time() - started)
    found = exploration.counterexample
    assert found is not None
    print(f"without {rule}:\n{found}")  # noqa: T201 - `pytest -rP` shows it
    assert found.wrong == wrong


def test_the_models_final_status_is_the_contracts() -> None:
    decisions = (None, *Decision)
    for withdraw, deposit, release in product(decisions, decisions, decisions):
        rows = {Step.WITHDRAW: withdraw, Step.DEPOSIT: deposit, Step.RELEASE: release}
        written = [_row(step, decision) for step, decision in rows.items() if decision]
        assert final_status(Rows(withdraw, deposit, release)) is steps.final_status(written)


def _row(step: Step, decision: Decision) -> StepRow:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    occurrence = Occurrence(attempt=1, scheduled_at=now, decided_at=now)
    return StepRow(transfer_id="one", step=step, decision=decision, forward=occurrence)
