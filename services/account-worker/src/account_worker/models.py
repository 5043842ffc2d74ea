"""The accounts database's tables as the queries see them, and their rows in Python. The migration makes them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    RowMapping,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from transfer_contract.http import Account, TransferRows
from transfer_contract.steps import Step, StepRow
from transfer_contract.transfers import TransferRequest

metadata = MetaData()

Id = Text(collation="C")
"""Ids sort in PostgreSQL as they do in Python, so every lock order and every page order is the same one."""

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False, comment="customer, or treasury: the only one that may go below zero"),
    Column("owner", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("balance_minor", BigInteger, nullable=False, server_default="0"),
    Column("held_minor", BigInteger, nullable=False, server_default="0", comment="Credited, not spendable yet"),
    Column("opening_balance_minor", BigInteger, nullable=False, comment="As asked for when it was created"),
    Column("status", Text, nullable=False, server_default="open"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

transfers = Table(
    "transfers",
    metadata,
    Column("transfer_id", Id, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("source_account", Id, nullable=False),
    Column("destination_account", Id, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reference", Text),
    Column("scenario", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("final_status", Text, comment="Rule 10 over its rows, written with the row that made it final"),
    Column("finished_at", DateTime(timezone=True), comment="The time of that row"),
    comment="The whole request, as the first row of its transfer stored it (rule 3); no foreign key to accounts",
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Id, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("reference", Text),
    Column("total", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="What was ordered together; its transfers have ids that begin with the batch's",
)

decisions = Table(
    "decisions",
    metadata,
    Column("transfer_id", Id, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("forward", JSONB(none_as_null=True), comment="The step's deciding attempt; null in a tombstone"),
    Column("compensation", JSONB(none_as_null=True), comment="The compensation's, where one wrote this row"),
    Column("failure", JSONB(none_as_null=True), comment="Withdraw row only: why the transfer aborted"),
    comment="One row per transfer and step (rule 2). The attempts are evidence that no rule reads, so they are JSON",
)


def among(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """`column = ANY(array)`: one parameter, and one prepared statement, for one id or ten thousand."""
    return column == any_(literal(list(values), ARRAY(Text)))


def rows_of(transfer_id: ColumnElement[str]) -> ColumnElement[list[dict[str, Any]] | None]:
    """A transfer's decision rows as one JSON column, so that a transfer and its rows are one read."""
    its_rows = select(func.json_agg(decisions.table_valued())).where(decisions.c.transfer_id == transfer_id)
    return its_rows.scalar_subquery().label("rows")


def transfer_request(row: RowMapping) -> TransferRequest:
    return TransferRequest.model_validate({name: row[name] for name in TransferRequest.model_fields})


def step_rows(row: RowMapping) -> dict[Step, StepRow]:
    """The rows in the order of the steps."""
    found = {found.step: found for found in map(StepRow.model_validate, row["rows"] or ())}
    return {step: found[step] for step in Step if step in found}


def transfer_rows(row: RowMapping) -> TransferRows:
    return TransferRows(
        transfer=transfer_request(row),
        rows=list(step_rows(row).values()),
        final_status=row["final_status"],
        finished_at=row["finished_at"],
    )


def account(row: RowMapping) -> Account:
    return Account.model_validate({name: row[name] for name in Account.model_fields})
