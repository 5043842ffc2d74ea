"""`docker compose up` keeps the product's three sentences: send a transfer, kill a worker, see it compensated."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import pytest
from compose.stack import Stack, Transfer
from guided_demo import check_demo, run_demo
from runbook_commands import FIRST_LOOK, Runbook
from transfer_contract.names import Process

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]
on_postgres: Final = pytest.mark.parametrize("stack", ["postgres"], indirect=True, scope="module")
on_mysql: Final = pytest.mark.parametrize("stack", ["mysql"], indirect=True, scope="module")
on_both: Final = pytest.mark.parametrize("stack", ["postgres", "mysql"], indirect=True, scope="module")

DATABASES: Final = ("accounts", "ledger", "temporal", "temporal_visibility")
DEMO_PASSWORD: Final = "demo-only"


def is_final(transfer: Transfer) -> bool:
    return transfer["status"] in {"completed", "rejected", "compensated"}


@on_both
def test_a_transfer_completes_as_soon_as_up_has_returned(stack: Stack) -> None:
    assert stack.post_transfer(wait_seconds=20)["status"] == "completed"


@on_both
def test_a_ledger_rejection_is_undone_in_reverse_order(stack: Stack) -> None:
    before = stack.balances()
    transfer = stack.post_transfer(wait_seconds=20, scenario="ledger_rejects")
    assert transfer["status"] == "compensated"
    assert transfer["failure"]["code"] == "ledger_rejected"
    compensations = [step["name"] for step in transfer["steps"] if step["kind"] == "compensation"]
    assert compensations == ["deposit_compensation", "withdraw_compensation"]
    assert stack.balances() == before


@on_both
def test_a_killed_worker_stays_dead_and_the_compensation_finishes_after_its_start(stack: Stack) -> None:
    before = stack.balances()
    posted = stack.post_transfer(scenario="slow_compensation")
    stack.transfer_until(posted["id"], lambda transfer: transfer["status"] == "compensating", within_seconds=20)

    stack.docker_compose("kill", "account-worker")
    stack.transfer_until(posted["id"], lambda transfer: transfer["waiting_for"] == "account-worker", within_seconds=7)
    time.sleep(3)  # longer than the engine waits before it restarts a container
    assert stack.state("account-worker") == "exited"
    assert stack.get(f"/transfers/{posted['id']}")["status"] == "compensating"

    stack.docker_compose("up", "--detach", "account-worker")
    transfer = stack.transfer_until(posted["id"], is_final, within_seconds=60)
    assert (transfer["status"], transfer["waiting_for"]) == ("compensated", None)
    assert stack.balances() == before


@on_postgres
def test_the_guided_demo_plays_on_containers(stack: Stack, tmp_path: Path) -> None:
    done = run_demo(os.environ | {"LOCAL_DIR": str(tmp_path)})
    check_demo(
        done,
        gateway_port=os.environ["GATEWAY_PORT"],
        kill="docker compose kill account-worker",
        start="docker compose up -d --no-deps account-worker",
    )


@on_postgres
def test_a_worker_that_dies_by_itself_is_restarted(stack: Stack) -> None:
    pid = int(stack.inspect("ledger-worker", "{{.State.Pid}}"))
    if os.geteuid() != 0 or not Path(f"/proc/{pid}").exists():
        pytest.skip("SIGKILL from outside its container needs root on the engine's own machine")
    os.kill(pid, signal.SIGKILL)
    assert stack.post_transfer(wait_seconds=30)["status"] == "completed"
    assert stack.inspect("ledger-worker", "{{.State.Status}} {{.RestartCount}}") == "running 1"


@on_postgres
@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/vendor/lit-html/lit-html.js", "/docs"])
def test_the_pages_files_are_in_the_image(stack: Stack, path: str) -> None:
    assert stack.http.get(path).status_code == 200


@on_postgres
def test_a_worker_that_is_crashed_from_the_page_is_restarted_and_its_transfer_goes_on(stack: Stack) -> None:
    transfer = stack.post_transfer(scenario="slow_compensation")
    stack.transfer_until(transfer["id"], lambda t: t["status"] == "compensating", within_seconds=30)
    assert stack.http.post("/workers/account-worker/crash").status_code == 202
    ended = stack.transfer_until(transfer["id"], is_final, within_seconds=90)
    assert ended["status"] == "compensated"
    assert stack.inspect("account-worker", "{{.State.Status}} {{.RestartCount}}") == "running 1"


@on_postgres
def test_services_recover_by_themselves_when_their_servers_come_back(stack: Stack) -> None:
    before = started_at(stack)
    stack.docker_compose("restart", "temporal", "postgres")
    assert stack.post_transfer(wait_seconds=30, patience_seconds=60)["status"] == "completed"
    assert started_at(stack) == before


def started_at(stack: Stack) -> dict[str, str]:
    return {process: stack.inspect(process, "{{.State.StartedAt}}") for process in Process}


@on_postgres
def test_a_service_that_is_gone_answers_503_in_time(stack: Stack) -> None:
    stack.docker_compose("kill", "account-api")
    started = time.monotonic()
    response = stack.http.get("/accounts/alice")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert time.monotonic() - started < 4
    stack.docker_compose("up", "--detach", "--no-deps", "account-api")
    stack.wait_until_ready()
    assert stack.get("/accounts/alice")["id"] == "alice"


@on_postgres
def test_what_the_runbook_says_for_docker_does_what_its_sections_expect(stack: Stack) -> None:
    runbook = Runbook(int(os.environ["GATEWAY_PORT"]), {}, docker=True)
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
    assert runbook.run("Database read-only or full", 1).count("ALTER DATABASE") == 2
    stack.wait_until_ready()
    assert stack.post_transfer(wait_seconds=30, patience_seconds=60)["status"] == "completed"


@on_postgres
def test_data_outlives_the_containers(stack: Stack) -> None:
    transfer, balances = stack.post_transfer(wait_seconds=20), stack.balances()
    stack.docker_compose("down")
    stack.docker_compose("up", "--detach", "--wait")
    assert stack.get(f"/transfers/{transfer['id']}") == transfer
    assert stack.balances() == balances


@on_mysql
def test_up_again_runs_the_jobs_again_and_changes_nothing(stack: Stack) -> None:
    balances, started = stack.balances(), started_at(stack)
    stack.docker_compose("up", "--detach", "--wait")
    assert (stack.balances(), started_at(stack)) == (balances, started)


@on_postgres
def test_only_gateway_and_temporal_ui_are_published_and_on_loopback(stack: Stack) -> None:
    published = stack.published_ports()
    assert set(published) == {"gateway", "temporal-ui"}
    assert all(address.startswith("127.0.0.1:") for addresses in published.values() for address in addresses)


@on_postgres
@pytest.mark.parametrize("process", Process)
def test_a_service_runs_without_privileges(stack: Stack, process: Process) -> None:
    fields = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
    assert stack.inspect(process, fields) == "10001 true [ALL] [no-new-privileges]"


@on_postgres
@pytest.mark.parametrize("role", DATABASES)
def test_a_database_role_reaches_no_other_database(stack: Stack, role: str) -> None:
    reached = "for d in accounts ledger temporal temporal_visibility postgres template1; do "
    reached += f"psql -qAt -h 127.0.0.1 -U {role} -d $d -c 'SELECT current_database()' 2>/dev/null; done; true"
    names = stack.docker_compose("exec", "-T", "-e", f"PGPASSWORD={DEMO_PASSWORD}", "postgres", "sh", "-c", reached)
    assert names.split() == [role]


@on_both
def test_the_money_reconciles(stack: Stack) -> None:
    answer = stack.get("/reconciliation")
    assert answer["balanced"], answer["discrepancies"]
    assert {currency["sum"] for currency in answer["currencies"]} == {"0.00"}
