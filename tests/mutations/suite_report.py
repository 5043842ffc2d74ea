"""A pytest plugin for the run on a mutated copy: a suite stops at its first failure, and what happened is told as JSON.

`run_suites` reads what this writes: `SuiteReport`, at the path that the environment's `SUITE_REPORT` says.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from mutations.suites import suite_of
from pydantic import BaseModel

PATH: Final = "SUITE_REPORT"
PACKAGES: Final = ("account_worker", "ledger_worker", "workflow_handler", "transfer_contract", "service_runtime")
_TOLD_LENGTH: Final = 300

settings.register_profile("first failure", phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False)
settings.load_profile("first failure")  # no minutes of shrinking: nobody reads the smallest example


class Failure(BaseModel):
    """`is_assertion`: a check said no. Otherwise the test broke, was cut off, or could not even be collected."""

    test: str
    is_assertion: bool
    told: str


class SuiteReport(BaseModel):
    passed: dict[str, int]
    failed: dict[str, Failure]
    not_collected: list[str]
    files: list[str]
    """Of the product's modules that were loaded."""


class _Reporter:
    def __init__(self) -> None:
        self._passed: Counter[str] = Counter()
        self._failed: dict[str, Failure] = {}
        self._not_collected: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._not_collected.append(f"{report.nodeid}: {str(report.longrepr)[-_TOLD_LENGTH:]}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if suite_of(item.nodeid) in self._failed:
            pytest.skip("its suite has failed")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report: pytest.TestReport = yield
        if report.failed and call.excinfo is not None:
            self._fail(item.nodeid, call.excinfo)
        elif report.passed and report.when == "call":
            self._passed[suite_of(item.nodeid)] += 1
        return report

    def _fail(self, test: str, error: pytest.ExceptionInfo[BaseException]) -> None:
        """A check at the end of a test or a module may say no where the test itself only broke."""
        told = " ".join(error.exconly().split())[:_TOLD_LENGTH]
        failure = Failure(test=test, is_assertion=_is_assertion(error.value), told=told)
        before = self._failed.get(suite_of(test))
        if before is None or (failure.is_assertion and not before.is_assertion):
            self._failed[suite_of(test)] = failure

    def pytest_sessionfinish(self) -> None:
        report = SuiteReport(
            passed=self._passed,
            failed=self._failed,
            not_collected=self._not_collected,
            files=sorted(_loaded_files()),
        )
        Path(os.environ[PATH]).write_text(report.model_dump_json())


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Reporter())


def _is_assertion(error: BaseException) -> bool:
    """Also `pytest.raises` that saw nothing raised, and several examples of hypothesis at once."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_assertion, error.exceptions))
    return isinstance(error, AssertionError) or str(error).startswith("DID NOT RAISE")


def _loaded_files() -> set[str]:
    ours = (module for name, module in sys.modules.items() if name.split(".")[0] in PACKAGES)
    return {file for module in ours if (file := getattr(module, "__file__", None))}
