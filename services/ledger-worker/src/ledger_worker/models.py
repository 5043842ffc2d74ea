"""The ledger's tables as queries name them, and their rows as the contract's types. The migrations make them."""

from collections.abc import Collection

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Identity,
    MetaData,
    RowMapping,
    Table,
    Text,
    any_,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from transfer_contract.steps import Step, StepRow
from transfer_contract.transfers import TransferRequest

metadata = MetaData()

Id = Text(collation="C")
"""Ids sort in PostgreSQL as they do in Python, so every lock order is the same one."""

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
    comment="The whole request, as the first row of its transfer stored it (rule 3)",
)

decisions = Table(
    "decisions",
    metadata,
    Column("transfer_id", Id, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("forward", JSONB(none_as_null=True), comment="The deciding attempt of record; null in a tombstone"),
    Column("compensation", JSONB(none_as_null=True), comment="That of record_compensation; only in a tombstone"),
    comment="The row of record, the ledger's one step: the commit decision, written once, never changed (rules 2, 4)",
)

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("currency", Text, comment="That of the account's entries; null before the first"),
    Column("balance_minor", BigInteger, nullable=False, server_default="0"),
    comment="The running balance, and what an entry locks",
)

entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("transfer_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("balance_after_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="The double entry. Append-only; the ids of an account's entries are in the order of their balances",
)

requests_and_rows = select(transfers, decisions.c.decision, decisions.c.forward, decisions.c.compensation).outerjoin(
    decisions, decisions.c.transfer_id == transfers.c.transfer_id
)
"""What `transfer_request` and `step_row` are made from."""


def among(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """`column = ANY(array)`: one parameter, and one prepared statement, for one id or ten thousand."""
    return column == any_(literal(list(values), ARRAY(Text)))


def transfer_request(row: RowMapping) -> TransferRequest:
    return TransferRequest.model_validate({name: row[name] for name in TransferRequest.model_fields})


def step_row(row: RowMapping) -> StepRow:
    """Raises ValidationError where the transfer has no row."""
    return StepRow.model_validate(
        {
            "transfer_id": row["transfer_id"],
            "step": Step.RECORD,
            "decision": row["decision"],
            "forward": row["forward"],
            "compensation": row["compensation"],
        }
    )
