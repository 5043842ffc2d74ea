"""The configuration file of supervisord: everything that a process needs to be started, stopped and logged."""

import os
import shlex
from pathlib import Path

from processes import POSTGRES, SERVERS, SERVICES, ProcessSpec
from state import CONTROL, State

USER = "make"
STOP_SECONDS = 25
"""Above the 15 s that a worker takes at most to finish the activity at hand."""

_HEAD = """\
[supervisord]
nodaemon=false
logfile=logs/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
pidfile=supervisord.pid

[inet_http_server]
port=127.0.0.1:{port}
username={user}
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[group:servers]
programs={servers}
priority=1

[group:services]
programs={services}
priority=2
"""
# Groups are stopped one after the other, the last first, each one's processes together.

_PROGRAM = """
[program:{name}]
command={command}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries=100
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup={killasgroup}
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def write(local_dir: Path, root: Path, state: State, specs: list[ProcessSpec]) -> Path:
    """Paths in it are relative to `local_dir`, where supervisord runs: no folder's name needs quoting then."""
    head = _HEAD.format(
        port=state.ports[CONTROL],
        user=USER,
        password=state.passwords[CONTROL],
        servers=",".join(SERVERS),
        services=",".join(SERVICES),
    )
    path = local_dir / "supervisord.conf"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(head + "".join(_program(spec, local_dir, root) for spec in specs))
    return path


def _program(spec: ProcessSpec, local_dir: Path, root: Path) -> str:
    command = shlex.join(_relative(word, local_dir, root) for word in spec.command)
    return _PROGRAM.format(
        name=spec.name,
        command=command.replace("%", "%%"),
        environment=",".join(f'{key}="{value}"' for key, value in spec.environment.items()),
        stop_signal=spec.stop_signal,
        stop_seconds=STOP_SECONDS,
        killasgroup=str(spec.name != POSTGRES).lower(),
    )


def _relative(word: str, local_dir: Path, root: Path) -> str:
    """Not out of a folder elsewhere: the way up may be closed to PostgreSQL's user, who runs the program there."""
    folders = (local_dir, root) if local_dir.is_relative_to(root) else (local_dir,)
    return os.path.relpath(word, local_dir) if any(Path(word).is_relative_to(folder) for folder in folders) else word
