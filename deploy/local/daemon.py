"""The life of supervisord: started in a session of its own, stopped with all that it runs, cleared after a crash."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import leftovers
import processes
import supervisor_config
from errors import StackError
from free_port import is_free
from state import CONTROL, State
from supervisor_client import Supervisor

_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LOG_LEVEL")
"""Of the caller's environment; all else (TEMPORAL_…, PG…, proxies) could lead the processes elsewhere."""

_STOP_SECONDS = 2 * supervisor_config.STOP_SECONDS + 10.0
"""The services, then the servers; each is killed by supervisord when it takes too long."""
_LOOK_SECONDS = 0.1


def environment(local_dir: Path, state: State) -> dict[str, str]:
    """Of supervisord and of all that it starts."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | processes.shared_environment(state) | {leftovers.MARK: str(local_dir)}


def start(local_dir: Path, root: Path, state: State, programs: Path, variables: Mapping[str, str]) -> None:
    """Returns when it answers; none of the processes is started by that."""
    (local_dir / "logs").mkdir(exist_ok=True)
    supervisor_config.write(local_dir, root, state, processes.specs(local_dir, state, programs))
    command = [str(Path(sys.prefix) / "bin" / "supervisord"), "-c", "supervisord.conf"]
    done = subprocess.run(command, cwd=local_dir, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        log = local_dir / "logs" / "supervisord.log"
        raise StackError(f"the process manager can't be started: {done.stderr.strip()[-300:]}", log=log)


def stop(local_dir: Path, state: State | None) -> bool:
    """Ends every process of the stack, and what a crash left of it. False where there was none."""
    was_alive = state is not None and _shut_down(local_dir, state)
    return bool(leftovers.stop(local_dir)) or was_alive


def _shut_down(local_dir: Path, state: State) -> bool:
    supervisor = Supervisor(state)
    if not supervisor.is_alive():
        return False
    supervisor.shut_down()
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and (leftovers.find(local_dir) or not is_free(state.ports[CONTROL])):
        time.sleep(_LOOK_SECONDS)
    return True
