"""The setting that puts workflow-worker under Temporal's worker versioning; `tests/chaos` deploys a second build."""

import pytest
from temporalio.common import VersioningBehavior
from workflow_handler.settings import WorkflowWorkerSettings
from workflow_handler.worker import deployment


@pytest.fixture(autouse=True)
def needed_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT_API_URL", "LEDGER_API_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def test_without_a_build_nothing_is_versioned() -> None:
    assert deployment(WorkflowWorkerSettings()) is None


def test_a_build_is_a_version_of_the_deployment_that_open_runs_move_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_BUILD_ID", "2026-11-23")
    config = deployment(WorkflowWorkerSettings())
    assert config is not None
    assert config.version.to_canonical_string() == "workflow-worker.2026-11-23"
    assert config.use_worker_versioning
    assert config.default_versioning_behavior is VersioningBehavior.AUTO_UPGRADE
