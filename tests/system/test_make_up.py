"""`make up` and its companions: on the real services, and on stand-ins where only the machinery matters."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import leftovers
import processes
import psycopg
import pytest
import state as states
from errors import StackError
from free_port import free_port
from published_ports import PublishedPorts
from stack import ROOT, Stack
from supervisor_client import Supervisor
from system.make_command import Make

pytestmark = pytest.mark.system

SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
LOCAL = ROOT / "deploy" / "local"
ONE_SHOTS = (*processes.MIGRATION_OF.values(), "demo-data")


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """The real thing, started by `make up`."""
    running = Make(tmp_path_factory.mktemp("real") / "local")
    done = running("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"http://127.0.0.1:{running.ports.gateway}" in done.stdout
    yield running
    running("down")
    assert leftovers.find(running.stack.local_dir) == []


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stand-ins that start at once, for the eight and the one-shot programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in processes.SERVICES:
        write_program(folder / name, SERVER)
    for name in ONE_SHOTS:
        write_program(folder / name, "print('done')")
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def new_stack(local_dir: Path, programs: Path) -> Stack:
    return Stack(local_dir, ports=PublishedPorts(free_port(), free_port()), programs=programs)


@pytest.fixture(scope="module")
def stand_in_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one stack after the other: making its databases takes longer than most of its tests."""
    return tmp_path_factory.mktemp("stand-ins") / "local"


@pytest.fixture
def stack(stand_in_dir: Path, programs: Path) -> Iterator[Stack]:
    """Of stand-ins, not started; gone without a trace at the end."""
    made = new_stack(stand_in_dir, programs)
    yield made
    made.down()
    assert leftovers.find(made.local_dir) == []


def pid_of(stack: Stack, name: str) -> int | None:
    return next(process.pid for process in stack.processes() if process.name == name)


def wait_for_new_pid(stack: Stack, name: str, old: int | None) -> None:
    deadline = time.monotonic() + 20
    while pid_of(stack, name) in (old, None):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_second_up_says_that_the_first_one_runs(make: Make) -> None:
    done = make("up")
    assert (done.returncode, "Already running" in done.stdout) == (0, True)


def test_ps_shows_each_process_and_where_temporal_listens(make: Make) -> None:
    lines = [line.split() for line in make("ps").stdout.splitlines()]
    assert [line[0] for line in lines[:-1]] == list(processes.ALL)
    assert all(state == "running" and pid.isdecimal() and port.isdecimal() for _, state, pid, port in lines[:-1])
    assert lines[-1] == [f"TEMPORAL_ADDRESS={make.stack.temporal_address}"]


def test_ps_says_below_what_needs_attention_and_where_that_cant_be_told(make: Make) -> None:
    assert make("kill", "SERVICE=account-worker").returncode == 0
    until_ps_says(make, "Needs attention: 1 worker gone")
    assert re.search(r"^  worker gone  account-worker  since .* s\)$", make("ps").stdout, re.MULTILINE)
    assert make("kill", "SERVICE=status-checker").returncode == 0
    until_ps_says(make, "What needs attention can't be told: status-checker doesn't answer.")
    assert make("start", "SERVICE=status-checker").returncode == make("start", "SERVICE=account-worker").returncode == 0
    until_ps_says(make, f"TEMPORAL_ADDRESS={make.stack.temporal_address}\n", at_the_end=True)


def until_ps_says(make: Make, text: str, *, at_the_end: bool = False) -> None:
    deadline = time.monotonic() + 60
    while not ((printed := make("ps").stdout).endswith(text) if at_the_end else text in (printed := make("ps").stdout)):
        assert time.monotonic() < deadline, printed
        time.sleep(0.5)


def test_a_killed_process_stays_dead_until_it_is_started(make: Make) -> None:
    assert make("kill", "SERVICE=ledger-api").returncode == 0
    time.sleep(2)
    assert pid_of(make.stack, "ledger-api") is None
    assert "make start SERVICE=ledger-api" in make("up").stdout
    assert make("start", "SERVICE=ledger-api").stdout == "ledger-api runs.\n"
    assert httpx.get(f"{make.stack.url('ledger-api')}/readyz").status_code == 200


def test_a_process_that_dies_by_itself_is_restarted(make: Make) -> None:
    pid = pid_of(make.stack, "account-api")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_new_pid(make.stack, "account-api", pid)
    assert make("start", "SERVICE=account-api").returncode == 0


def test_what_the_process_manager_starts_by_itself_meanwhile_is_started(make: Make) -> None:
    state = states.load(make.stack.local_dir)
    assert state is not None
    pid = pid_of(make.stack, "account-api")
    Supervisor(state).start("account-api")
    assert pid_of(make.stack, "account-api") == pid


@pytest.mark.parametrize("arguments", [("kill", "SERVICE=account"), ("start",), ("logs", "SERVICE=x")])
def test_an_unknown_process_is_answered_with_the_names(make: Make, arguments: tuple[str, ...]) -> None:
    done = make(*arguments)
    assert done.returncode != 0
    assert all(name in done.stderr for name in processes.ALL)


def test_no_role_reaches_another_database(make: Make) -> None:
    for role, other in (("accounts", "ledger"), ("ledger", "accounts"), ("accounts", "postgres")):
        url = make.stack.database_urls[role].replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url.rsplit("/", 1)[0] + f"/{other}")


def test_data_survive_a_crash_of_the_whole_machine(make: Make) -> None:
    transfer = {"source_account": "alice", "destination_account": "bob", "amount": "25.00", "currency": "EUR"}
    sent = httpx.post(f"{make.stack.gateway_url}/transfers", json=transfer, headers={"Prefer": "wait=20"}, timeout=30)
    assert sent.json()["status"] == "completed"
    for pid in leftovers.find(make.stack.local_dir):
        os.kill(pid, signal.SIGKILL)
    assert "Nothing is running" in make("ps").stdout
    assert make("up").returncode == 0
    assert httpx.get(f"{make.stack.gateway_url}/accounts/alice").json()["balance"] == "975.00"


def test_what_lost_its_manager_is_cleared_away_by_the_next_up(stack: Stack) -> None:
    stack.up()
    before = leftovers.find(stack.local_dir)
    os.kill(int((stack.local_dir / "supervisord.pid").read_text()), signal.SIGKILL)
    assert stack.processes() == []
    assert stack.up()
    assert not set(before) & set(leftovers.find(stack.local_dir))


def test_data_survive_down_but_not_reset(stack: Stack) -> None:
    stack.up()
    address = stack.gateway_url
    with psycopg.connect(stack.postgres_admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")
    assert stack.down()
    assert (stack.processes(), leftovers.find(stack.local_dir)) == ([], [])
    assert not stack.down()
    stack.up()
    with psycopg.connect(stack.postgres_admin_url) as connection:
        connection.execute("SELECT * FROM kept")
    stack.reset()
    assert stack.gateway_url == address
    with psycopg.connect(stack.postgres_admin_url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM kept")


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path, programs: Path) -> None:
    other = new_stack(tmp_path / "other", programs)
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(Stack.up, (stack, other)))
    ports = {process.port for process in [*stack.processes(), *other.processes()]}
    assert len(ports) == 2 * len(processes.ALL)
    other.down()
    assert all(process.state == "running" for process in stack.processes())


def test_every_process_gets_a_port_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*processes.ALL, states.CONTROL]
    monkeypatch.setattr("free_port.RANGE", range(30000, 30000 + 2 * len(names)))
    published = {processes.ALL[0]: 30000, states.TEMPORAL_UI: 30001}
    for _ in range(20):
        state = states.renewed(tmp_path, names=names, published=published, demo_faults=True)
        assert len(set(state.ports.values())) == len(state.ports) == len(names) + 1


def test_of_two_ups_at_once_one_starts_and_the_other_waits_for_it(stack: Stack) -> None:
    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(lambda _: stack.up(), range(2))) == [False, True]


def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    make = Make(tmp_path / "local")
    with socket.create_server(("127.0.0.1", make.ports.gateway)):
        done = make("up")
    assert done.returncode != 0
    assert done.stderr.startswith(f"error: port {make.ports.gateway} is in use: ")
    assert "`make up GATEWAY_PORT=" in done.stderr
    assert leftovers.find(make.stack.local_dir) == []


@pytest.mark.parametrize("name", ["status-checker", "ledger-migrate"])
def test_a_program_that_dies_at_start_shows_its_log_and_leaves_nothing_running(
    stack: Stack, programs: Path, name: str
) -> None:
    write_program(programs / name, "import time\ntime.sleep(1.5)\nraise SystemExit('no such table')")
    with pytest.raises(StackError, match=rf"^{name} .*{name}\.log") as raised:
        stack.up()
    assert raised.value.tail()[-1] == "no such table"
    assert leftovers.find(stack.local_dir) == []


def _heed_interrupts() -> None:
    """A test run in the background of a shell ignores SIGINT, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_up_leaves_nothing_behind(stack: Stack, programs: Path) -> None:
    write_program(programs / "gateway", "import time\ntime.sleep(600)")
    starting = subprocess.Popen(
        up_command(stack, programs),
        cwd=LOCAL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 - takes no lock that another thread could hold
    )
    deadline = time.monotonic() + 30
    while (stack.local_dir / "logs" / "gateway.log").exists() is False and time.monotonic() < deadline:
        time.sleep(0.1)
    starting.send_signal(signal.SIGINT)
    assert starting.wait(timeout=40) != 0
    assert leftovers.find(stack.local_dir) == []


def test_an_ordinary_user_needs_no_more_than_the_clone(programs: Path) -> None:
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="ordinary-"))  # tmp_path is closed to other users
    shutil.copytree(programs, folder / "programs")
    for path in (folder, folder / "local"):
        path.mkdir(exist_ok=True)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    ordinary = new_stack(folder / "local", folder / "programs")
    try:
        run_as(owner, up_command(ordinary, folder / "programs"), home=folder)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in leftovers.find(folder / "local")} == {owner.pw_uid}
    except PermissionError:
        pytest.skip(f"{sys.executable} can't be run by {owner.pw_name}")
    finally:
        ordinary.down()
        shutil.rmtree(folder)


def run_as(owner: pwd.struct_passwd, command: list[str], *, home: Path) -> None:
    if owner.pw_uid == os.geteuid():
        subprocess.run(command, cwd=LOCAL, check=True)
    else:
        own = {**os.environ, "HOME": str(home)}
        subprocess.run(command, cwd=LOCAL, check=True, env=own, user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])


def up_command(stack: Stack, programs: Path) -> list[str]:
    ports = f"PublishedPorts({free_port()}, {free_port()})"
    text = f"""
from pathlib import Path
from published_ports import PublishedPorts
from stack import Stack
Stack(Path({str(stack.local_dir)!r}), ports={ports}, programs=Path({str(programs)!r})).up()
"""
    return [sys.executable, "-c", text]
