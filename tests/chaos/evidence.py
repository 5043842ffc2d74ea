"""What a run leaves behind: its summary always; after a failure also databases, workflow histories and all logs."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from chaos.chaos_system import ChaosSystem
from chaos.violations import Violation
from psycopg import sql
from temporalio.client import Client
from temporalio.service import RPCError
from transfer_contract.batches import batch_of
from transfer_contract.names import batch_finisher_id, batch_workflow_id, finisher_id, workflow_id

_HISTORIES: Final = 50
"""Of so many transfers at most, in the order in which something was found wrong with them."""

_TABLES: Final = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
)


def new_folder(seed: int, chaos: Path) -> Path:
    folder = chaos / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{seed}"
    folder.mkdir(parents=True)
    return folder


def write_json(file: Path, content: object) -> None:
    _write(file, json.dumps(content, indent=2, default=str) + "\n")


async def keep_everything(folder: Path, found: list[Violation], system: ChaosSystem) -> None:
    """While the system still runs; its logs stand in its own folder. What can't be read is said in its file."""
    write_json(folder / "violations.json", [asdict(violation) for violation in found])
    for name, url in (("accounts", system.accounts_url), ("ledger", system.ledger_url)):
        await asyncio.to_thread(_dump, folder / "databases" / name, url)
    try:
        temporal = await Client.connect(system.temporal_address)
    except RuntimeError as error:
        _write(folder / "histories" / "error.txt", str(error))
        return
    for transfer_id in _transfers_of(found)[:_HISTORIES]:
        for workflow in _workflows_of(transfer_id):
            _write(folder / "histories" / f"{workflow}.json", await _history(workflow, temporal))


def _workflows_of(transfer_id: str) -> Iterator[str]:
    """Also its batch's; some of what is wrong is told of a batch by the batch's own id."""
    yield workflow_id(transfer_id)
    yield finisher_id(transfer_id)
    batch_id = batch_of(transfer_id) or transfer_id
    yield batch_workflow_id(batch_id)
    yield batch_finisher_id(batch_id)


def _dump(folder: Path, url: str) -> None:
    """Each table as CSV, by the server itself: no program of a fitting version is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            for (table,) in connection.execute(_TABLES).fetchall():
                _dump_table(connection, table, folder / f"{table}.csv")
    except psycopg.Error as error:
        (folder / "error.txt").write_text(str(error))


def _dump_table(connection: psycopg.Connection[Any], table: str, file: Path) -> None:
    query = sql.SQL("COPY {} TO STDOUT WITH (FORMAT csv, HEADER)").format(sql.Identifier(table))
    with file.open("wb") as output, connection.cursor().copy(query) as rows:
        output.writelines(map(bytes, rows))


async def _history(workflow: str, temporal: Client) -> str:
    try:
        return (await temporal.get_workflow_handle(workflow).fetch_history()).to_json()
    except RPCError as error:
        return json.dumps({"error": str(error)})


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _transfers_of(found: Iterable[Violation]) -> list[str]:
    return list(dict.fromkeys(violation.transfer_id for violation in found if violation.transfer_id))
