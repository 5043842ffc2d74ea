"""The ten processes of a stack: the eight of the product and the two servers below them."""

import sys
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres
import embedded_temporal
from state import TEMPORAL_UI, State
from transfer_contract.names import Process

POSTGRES = "postgres"
TEMPORAL = "temporal"
SERVERS = (POSTGRES, TEMPORAL)
SERVICES = tuple(process.value for process in Process)
ALL = (*SERVICES, *SERVERS)

DATABASE_OF = {
    Process.ACCOUNT_WORKER: "accounts",
    Process.ACCOUNT_API: "accounts",
    Process.LEDGER_WORKER: "ledger",
    Process.LEDGER_API: "ledger",
}
MIGRATION_OF = {"accounts": "account-migrate", "ledger": "ledger-migrate"}

PROGRAMS = Path(sys.prefix) / "bin"


@dataclass(frozen=True)
class ProcessSpec:
    name: str
    command: list[str]
    environment: dict[str, str]
    """What only this process gets; the rest is `shared_environment`."""
    stop_signal: str


def specs(local_dir: Path, state: State, programs: Path = PROGRAMS) -> list[ProcessSpec]:
    return [*_servers(local_dir, state), *(_service(name, state, programs) for name in SERVICES)]


def shared_environment(state: State) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
        "DEMO_FAULTS": str(state.demo_faults).lower(),
        "TEMPORAL_ADDRESS": temporal_address(state),
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": "/dev/null",  # not the user's own, which may lead to another server
        "GATEWAY_URL": url(state, Process.GATEWAY),
        "WORKFLOW_HANDLER_URL": url(state, Process.WORKFLOW_HANDLER),
        "STATUS_CHECKER_URL": url(state, Process.STATUS_CHECKER),
        "ACCOUNT_API_URL": url(state, Process.ACCOUNT_API),
        "LEDGER_API_URL": url(state, Process.LEDGER_API),
    }


def url(state: State, name: str) -> str:
    return f"http://127.0.0.1:{state.ports[name]}"


def temporal_address(state: State) -> str:
    return f"127.0.0.1:{state.ports[TEMPORAL]}"


def database_url(state: State, database: str) -> str:
    """A participant's own database, as its own role."""
    address = f"127.0.0.1:{state.ports[POSTGRES]}"
    return f"postgresql+psycopg://{database}:{state.passwords[database]}@{address}/{database}"


def _servers(local_dir: Path, state: State) -> list[ProcessSpec]:
    ports = state.ports
    postgres = embedded_postgres.server_command(local_dir / POSTGRES, port=ports[POSTGRES])
    temporal = embedded_temporal.server_command(
        local_dir / "temporal.db", port=ports[TEMPORAL], ui_port=ports[TEMPORAL_UI]
    )
    return [ProcessSpec(POSTGRES, postgres, {}, "INT"), ProcessSpec(TEMPORAL, temporal, {}, "TERM")]


def _service(name: str, state: State, programs: Path) -> ProcessSpec:
    environment = {"PORT": str(state.ports[name])}
    if name == Process.GATEWAY:
        environment |= _gateway_environment(state)
    database = DATABASE_OF.get(Process(name))
    if database is not None:
        environment["DATABASE_URL"] = database_url(state, database)
    return ProcessSpec(name, [str(programs / name)], environment, "TERM")


def _gateway_environment(state: State) -> dict[str, str]:
    """What the web page shows and, for a demo, can make crash."""
    return {
        "WORKFLOW_WORKER_URL": url(state, Process.WORKFLOW_WORKER),
        "ACCOUNT_WORKER_URL": url(state, Process.ACCOUNT_WORKER),
        "LEDGER_WORKER_URL": url(state, Process.LEDGER_WORKER),
        "TEMPORAL_UI_URL": url(state, TEMPORAL_UI),
        "KILL_COMMAND": "make kill SERVICE={process}",
        "START_COMMAND": "make start SERVICE={process}",
    }
