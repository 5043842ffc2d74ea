"""What docs/runbook.md says for Docker: each of its substitutes does what the commands of the sections expect of it."""

import os

import pytest
from compose.stack import Stack
from runbook_commands import FIRST_LOOK, Runbook

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


@pytest.fixture
def runbook(stack: Stack) -> Runbook:
    return Runbook(int(os.environ["GATEWAY_PORT"]), {}, docker=True)


@pytest.mark.parametrize("stack", ["postgres"], indirect=True, scope="module")
def test_the_runbooks_commands_work_on_containers(stack: Stack, runbook: Runbook) -> None:
    stack.docker_compose("kill", "ledger-worker")
    assert '"observed_at"' in runbook.run("", FIRST_LOOK)
    gone = runbook.run("Worker gone", 0)
    assert "status-checker" in gone
    assert "polling" in gone  # account-worker's log
    assert 'task_queue_backlog{queue="ledger"}' in runbook.run("Backlog growing", 0, 1)
    assert stack.state("ledger-worker") == "running"
    assert '"account-api":true' in runbook.run("Unobserved", 0, 1)
    assert "SERVING" in runbook.run("Temporal away", 0, 1)
    assert "Paused" in runbook.run("Abandoned", 0, 1)
    assert "transfer_id" in runbook.run("Transfer too old", 0)
    assert "pg_terminate_backend" not in runbook.run("Database read-only or full", 1)
    stack.wait_until_ready()
    assert stack.post_transfer(wait_seconds=30, patience_seconds=60)["status"] == "completed"
