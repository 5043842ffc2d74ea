"""The proof itself, without a run: its bugs are there, and one that can't be planted is not taken for caught."""

import json
from pathlib import Path
from typing import Final

import pytest
from mutations.mutation import PATCHES, Mutation, apply_patch, copy_source
from mutations.proof import Row, keep
from mutations.suites import SUITES

DEMANDED: Final = {
    "no_decision_row",
    "decision_row_in_its_own_transaction",
    "no_tombstone",
    "refund_without_shutting_the_door",
    "refund_limited_to_three_attempts",
    "refund_not_shielded",
    "keys_from_the_run_id",
    "release_before_record",
    "reconciler_leaves_the_door_open",
    "balance_check_outside_the_row_lock",
    "reversing_entry",
    "status_from_the_path",
}


def test_the_bugs_that_the_proof_must_have_are_there() -> None:
    assert not DEMANDED - {patch.stem for patch in PATCHES}


def test_each_patch_applies_and_names_suites_that_there_are(tmp_path: Path) -> None:
    for patch in PATCHES:
        mutation = Mutation.read(patch)
        apply_patch(copy_source(tmp_path / mutation.name, only=mutation.files), mutation)
        assert mutation.suites, f"{mutation.name} names no suite"
        assert {*mutation.suites} <= SUITES.keys()


def test_a_patch_that_the_code_has_moved_away_from_fails(tmp_path: Path) -> None:
    mutation = Mutation.read(PATCHES[0])
    copy = copy_source(tmp_path, only=mutation.files)
    apply_patch(copy, mutation)
    with pytest.raises(AssertionError, match="doesn't apply any more"):
        apply_patch(copy, mutation)


def test_a_bug_that_was_caught_once_counts_only_while_it_is(tmp_path: Path) -> None:
    proof, name = tmp_path / "mutations.json", PATCHES[0].stem
    for row in (Row("gone", "", caught=True), Row(name, "", caught=True), Row(name, "")):
        keep(row, proof)
    assert [(row["name"], row["caught"]) for row in json.loads(proof.read_text())["rows"]] == [(name, False)]
