"""What there is to be broken: the processes of the system under chaos, its servers, and the links between them.

Names only, so that a schedule can be made without a system.
"""

from typing import Final

WORKERS: Final = tuple(
    f"{worker}-{n}" for worker in ("workflow-worker", "account-worker", "ledger-worker") for n in (1, 2)
)
HTTP_PROCESSES: Final = ("gateway", "workflow-handler", "status-checker", "account-api", "ledger-api")
PROCESSES: Final = (*HTTP_PROCESSES, *WORKERS)

STEPPED: Final = tuple(worker for worker in WORKERS if worker.endswith("-2"))
"""Their clocks can be stepped; their twins' can't."""

TEMPORAL: Final = "temporal"
DATABASES: Final = ("accounts", "ledger")
TEMPORAL_DATABASE: Final = "temporal-database"
"""With Docker only: else Temporal keeps its state in a file."""

CLIENTS: Final = "clients"

_ASKS: Final = {
    CLIENTS: ("gateway",),
    "gateway": ("workflow-handler", "status-checker", "account-api", "ledger-api"),
    "workflow-handler": ("account-api", "ledger-api", TEMPORAL),
    "status-checker": ("account-api", "ledger-api", TEMPORAL),
    "account-api": ("accounts",),
    "ledger-api": ("ledger",),
    "workflow-worker": ("account-api", "ledger-api", TEMPORAL),
    "account-worker": ("accounts", TEMPORAL),
    "ledger-worker": ("ledger", "account-api", TEMPORAL),
}


def kind_of(process: str) -> str:
    """`account-worker-2` → `account-worker`."""
    return process.rsplit("-", 1)[0] if process in WORKERS else process


def asked_by(process: str) -> tuple[str, ...]:
    """The other ends of its links."""
    return _ASKS[kind_of(process)]


def link(asker: str, asked: str) -> str:
    return f"{asker}->{asked}"


def servers(*, docker: bool) -> tuple[str, ...]:
    return (*DATABASES, TEMPORAL, TEMPORAL_DATABASE) if docker else (*DATABASES, TEMPORAL)


def links(*, docker: bool) -> tuple[str, ...]:
    ours = tuple(link(asker, asked) for asker in (CLIENTS, *PROCESSES) for asked in asked_by(asker))
    return (*ours, link(TEMPORAL, TEMPORAL_DATABASE)) if docker else ours
