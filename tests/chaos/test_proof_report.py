"""docs/proof.md: every figure is one of a run's, and what has not run or not passed says so."""

import json
from pathlib import Path
from typing import Any, Final

from chaos.chaos_cli import LONG_MINUTES, proof_file
from chaos.load import OPERATIONS_AT_ONCE, OPERATIONS_PER_SECOND
from chaos.operations import CLIENTS, COLD_ACCOUNTS
from chaos.proof_command import write_page
from chaos.report import commits, lost, proof
from chaos.summary import Plan, Summary
from model.explore import Counterexample, Exploration
from model.proof import tell_dropped, tell_explored
from model.rules import Rule
from proof_parts import begin, commit, write

RUN: Final = Summary(
    passed=True, seed=42, commit="abc", minutes=60, command="make chaos SEED=42 MINUTES=60",
    faults={"process_kill": 30, "link_cut": 12}, faults_by_target={"gateway": {"process_kill": 30}},
    faults_without_effect={"deadlock": 1},
    faults_impossible={"disk_full": "no own disk"}, kills=30,
    transfers={"completed": 900, "rejected": 100}, accounts=1008,
    valid=1000, valid_completed=900, openings=1000, openings_completed=990, ended_by_operators=3, forgotten=2,
    excused=1, operations=3000, operations_skipped=12, operations_at_once=17, operations_per_second=8.3,
    requests=5000, requests_unknown=77, compared_with_api=2008, compared_with_temporal=2005, batches=18,
    opened_seconds=40.0, longest_recovery_seconds=12.3, longest_transfer_seconds=45.6,
    healed_seconds=9.7, settled_seconds=7.8,
    reads=[{"check": "rows", "succeeded": 1800, "unknown": 20, "longest_gap_seconds": 31.0}], violations=0,
)  # fmt: skip


def page(**parts: Any) -> str:
    return proof(parts)


def rows(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"commit": "abc", "bugs": len(rows), "rows": [*rows]}


def test_the_chaos_runs_figures_are_told() -> None:
    told = page(chaos=RUN.as_json())
    for figure in (
        "Commit `abc`.",
        "| seed | 42 |",
        "| transfers | 1000 |",
        "900 of 1000 (90.0 %)",
        "12.3 s",
        "9.7 s",
        "| openings completed | 990 |",
        "| batches whose workflow has closed with a result | 18 |",
        "| operations per second | 8.3 |",
        "| process_kill | 30 |",
        "| rows | 1800 | 20 |",
    ):
        assert figure in told


def test_a_figure_that_the_page_has_never_heard_of_is_told_by_its_name() -> None:
    told = page(
        chaos_short=RUN.as_json()
        | {"new_seconds": 120, "new_count": 3, "by_target": {"accounts": {"kill": 2}}, "new_rows": [{"a_b": 1}]}
    )
    for figure in ("| new | 120 s |", "| new count | 3 |", "| accounts | kill: 2 |", "new rows:", "| a b |"):
        assert figure in told


def test_a_run_that_has_broken_off_is_told_as_not_passed(tmp_path: Path) -> None:
    file = tmp_path / "chaos.json"
    write(file, **RUN.as_json())
    begin(file, seed=1)
    told = page(chaos=json.loads(file.read_text()))
    assert "**Not passed**: the last run has broken off" in told
    assert "| passed |" not in told


def test_a_short_run_and_one_of_some_faults_leave_the_long_one_alone(tmp_path: Path) -> None:
    long = proof_file(Plan(1, LONG_MINUTES, ()), tmp_path)
    assert proof_file(Plan(1, LONG_MINUTES - 1, ()), tmp_path) != long
    assert proof_file(Plan(1, LONG_MINUTES, ("link_cut",)), tmp_path) != long


def test_parts_of_different_commits_are_told_as_that() -> None:
    parts = {"chaos": RUN.as_json(), "mutations": rows() | {"commit": "abc+123456"}, "other": {"commit": "x"}}
    assert commits(parts) == {"chaos": "abc", "mutations": "abc+123456"}
    assert "of different commits" in page(**parts)
    assert "of different commits" not in page(chaos=RUN.as_json(), mutations=rows())


def test_a_part_begins_anew_where_it_is_of_another_commit(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"commit": "another", "explored": [{"case": "gone", "states": 1, "wrong": "nothing"}]}))
    tell_explored("one transfer", Exploration(7), 0.5, file)
    told = json.loads(file.read_text())
    assert (told["commit"], [row["case"] for row in told["explored"]]) == (commit(), ["one transfer"])
    file.write_text("[]\n")  # as parts were before
    tell_explored("one transfer", Exploration(7), 0.5, file)
    assert json.loads(file.read_text())["commit"] == commit()


def test_a_run_that_failed_is_told_as_that() -> None:
    told = page(chaos=RUN.as_json() | {"passed": False, "violations": 2})
    assert "**failed**: 2 violations" in told
    assert "passed" not in told


def test_what_has_not_run_claims_nothing() -> None:
    told = page(mutations=rows({"name": "no tombstone", "caught_by": ["test_a", "test_b"], "caught": True}))
    assert told.count("Not run yet.") == 4
    assert "1 of 1 are caught" in told


def test_a_page_does_not_lose_what_was_measured_in_another_clone(tmp_path: Path) -> None:
    folder, there = tmp_path / "parts", tmp_path / "proof.md"
    there.write_text(page(chaos=RUN.as_json(), mutations=rows()))
    before = there.read_text()
    assert write_page(folder, there) == 1
    write(folder / "chaos.json", **RUN.as_json() | {"seed": 7})
    assert lost(before, {"chaos": {}}) == ["Mutations"]
    assert write_page(folder, there) == 1
    assert there.read_text() == before
    assert write_page(folder, there, force=True) == 0
    assert write_page(folder, there) == 0
    assert ("| seed | 7 |" in there.read_text(), lost(there.read_text(), {})) == (True, ["Chaos run"])


def test_what_is_told_of_the_load_is_the_load() -> None:
    told = page(chaos=RUN.as_json())
    assert f"{CLIENTS} clients" in told
    assert f"at most {OPERATIONS_AT_ONCE} of them" in told
    assert f"at most {OPERATIONS_PER_SECOND:g} operations a second" in told
    assert f"{COLD_ACCOUNTS} cold accounts" in told


def test_a_bug_that_nobody_caught_stands_out() -> None:
    assert "| no tombstone |  | **no** |" in page(
        mutations=rows({"name": "no tombstone", "caught_by": "", "caught": False})
    )


def test_what_a_test_said_is_text_and_no_markup() -> None:
    row = {"name": "no tombstone", "caught": True, "caught_by": ["a", "b"], "note": ["<Decision.APPLIED>|", "2 rows"]}
    assert "| a<br>b | &lt;Decision.APPLIED>\\|<br>2 rows |" in page(mutations=rows(row))


def test_what_pytest_said_of_a_bug_is_left_to_the_part() -> None:
    row = {
        "name": "no tombstone",
        "caught": True,
        "caught_by": ["a"],
        "told": ["assert [<Decision.AP..."],
        "seconds": 3,
    }
    told = page(mutations=rows(row))
    assert "| no tombstone | yes | a | 3 |" in told
    assert "told" not in told


def test_the_kill_matrix_is_a_table() -> None:
    row = {
        "process": "account-worker",
        "point": "after commit",
        "kills": 4,
        "outcome": "completed",
        "recovery_seconds": 3,
    }
    told = page(kill_matrix=rows(row))
    assert "4 times in all, then a restart: 0 failed" in told
    assert "1 failed" in page(kill_matrix=rows(row, row | {"outcome": "FAILED: money made"}))
    assert "| account-worker | after commit | 4 | completed | 3 |" in told


def test_the_models_states_and_the_rules_that_it_needs_are_tables(tmp_path: Path) -> None:
    told = tmp_path / "model.json"
    tell_explored("one transfer", Exploration(7), 0.5, told)
    tell_explored("one transfer", Exploration(38366), 5.88, told)  # the newer one counts
    tell_dropped(Rule.BARRIER, Exploration(12, Counterexample("money made", ("POST", "answered"))), 0.25, told)
    written = page(model=json.loads(told.read_text()))
    assert "38366 in all" in written
    assert "| one transfer | 38366 | 5.9 | nothing |" in written
    assert "in 0 of 1 cases" in written
    assert "Of 1 models without one of the rules, 1 have a counterexample" in written
    assert f"| {Rule.BARRIER} | money made | 2 | yes | 0.2 |" in written
