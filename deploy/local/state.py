"""What has to be known about a stack after the command that started it has ended: ports, passwords, readiness."""

import dataclasses
import json
import os
import secrets
from pathlib import Path

from free_port import free_port, is_free

DATABASES = ("accounts", "ledger")
CONTROL = "supervisor"
TEMPORAL_UI = "temporal-ui"


@dataclasses.dataclass
class State:
    local_dir: str
    """A copied folder brings the other stack's state along; nobody may be stopped by it."""
    ports: dict[str, int]
    passwords: dict[str, str]
    demo_faults: bool = True
    ready: bool = False
    """False from the first process on until everything answers: such a start was interrupted."""


def load(local_dir: Path) -> State | None:
    try:
        state = State(**json.loads(_file(local_dir).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return state if state.local_dir == str(local_dir) else None


def save(local_dir: Path, state: State) -> None:
    """All or nothing, and readable by its owner only: it holds passwords."""
    draft = _file(local_dir).with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as output:
        json.dump(dataclasses.asdict(state), output, indent=2)
    draft.replace(_file(local_dir))


def renewed(local_dir: Path, *, names: list[str], published: dict[str, int], demo_faults: bool) -> State:
    """The state of the next start: the ports of the last one where they are still free, the same passwords."""
    previous = load(local_dir)
    old_ports = previous.ports if previous else {}
    old_passwords = previous.passwords if previous else {}
    ports = dict(published)
    for name in (name for name in [*names, CONTROL] if name not in published):
        ports[name] = _kept_or_free(old_ports.get(name), taken=set(ports.values()))
    passwords = {name: old_passwords.get(name) or secrets.token_hex(16) for name in DATABASES}
    passwords[CONTROL] = secrets.token_hex(16)
    return State(str(local_dir), ports, passwords, demo_faults)


def _kept_or_free(port: int | None, *, taken: set[int]) -> int:
    """None of `taken`: those are free as well until their processes have started."""
    return port if port is not None and port not in taken and is_free(port) else free_port(besides=taken)


def _file(local_dir: Path) -> Path:
    return local_dir / "state.json"
