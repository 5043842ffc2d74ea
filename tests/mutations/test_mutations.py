"""Each planted bug is caught, by general tests and for what it does: so the checks are known to be able to fail."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Final

import pytest
from mutations.mutation import PATCHES, Mutation, apply_patch, copy_source, run_suites
from mutations.proof import Row, keep
from mutations.suites import SUITES

pytestmark = [pytest.mark.mutations, pytest.mark.timeout(1000)]
Record = Callable[[str, object], None]
_TOLD_LENGTH: Final = 160
"""Of what a test said, in characters: a row of a table."""


def test_without_a_bug_all_suites_pass(tmp_path: Path) -> None:
    report = run_suites(copy_source(tmp_path), SUITES)
    assert report.failed == {}
    assert all(report.passed[name] for name in SUITES)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_is_caught(patch: Path, tmp_path: Path, record_property: Record) -> None:
    mutation, started = Mutation.read(patch), time.monotonic()
    row = Row(mutation.name, mutation.description)
    keep(row)  # it isn't caught until it is
    copy = copy_source(tmp_path)
    apply_patch(copy, mutation)
    report = run_suites(copy, mutation.suites)
    for name, failure in report.failed.items():
        print(name, failure, sep=": ")  # noqa: T201 - `pytest -rP` shows what said no
    assert {str(copy / file) for file in mutation.files} <= set(report.files), "the patched code wasn't even loaded"
    caught = {name: failure for name, failure in report.failed.items() if failure.is_assertion}
    row = replace(
        row,
        caught={*mutation.suites} == caught.keys(),
        caught_by=[f"{name}: {failure.test.rpartition('::')[2]}" for name, failure in caught.items()],
        told=[shorten(failure.told, _TOLD_LENGTH) for failure in caught.values()],
        seconds=round(time.monotonic() - started, 1),
    )
    keep(row)
    record_property("figure", f"mutation {row.name:<40} {row.seconds:5.1f} s, caught by {', '.join(caught)}")
    assert row.caught, report.failed
