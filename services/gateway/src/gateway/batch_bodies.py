"""The body of `POST /transfer-batches`, JSON or CSV, judged whole: what is wrong is told line by line, all at once."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from service_runtime.problems import Problem
from transfer_contract.batches import MAX_TRANSFERS, BatchItem
from transfer_contract.http import FieldError, ProblemCode
from transfer_contract.identity import is_treasury

from gateway.money import to_minor
from gateway.parameters import PlainText
from gateway.request_models import NewTransfer
from gateway.strict_json import parse_json

ERRORS_TOLD: Final = 100
"""Of a body: who has more to mend begins with these."""

_COLUMNS: Final = tuple(NewTransfer.model_fields)
_NEEDED: Final = tuple(name for name, field in NewTransfer.model_fields.items() if field.is_required())
_ITEMS: Final = TypeAdapter(list[NewTransfer])


class NewBatch(BaseModel):
    """The JSON form; the OpenAPI document shows it. CSV has a transfer's fields as columns, in any order."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    transfers: list[NewTransfer] = Field(min_length=1, max_length=MAX_TRANSFERS)
    reference: Annotated[PlainText, Field(max_length=140)] | None = None


class _Envelope(BaseModel):
    """The same before its transfers are judged: these are many."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    transfers: list[Any]
    reference: Annotated[PlainText, Field(max_length=140)] | None = None


@dataclass(frozen=True)
class JudgedBatch:
    items: list[BatchItem]
    reference: str | None


@dataclass(frozen=True)
class _Lines:
    """The transfers as given, and what each is called where something is wrong with it."""

    values: list[Any]
    names: Sequence[str]


def judge_batch(body: bytes, *, is_csv: bool, demo_faults: bool) -> JudgedBatch:
    """Raises Problem with an error for each wrong field of each line, the first `ERRORS_TOLD` of them."""
    reference = None
    if is_csv:
        lines = _csv_lines(body)
    else:
        envelope = _validated_envelope(parse_json(body))
        reference = envelope.reference
        lines = _Lines(envelope.transfers, [f"transfers.{index}" for index in range(len(envelope.transfers))])
    _refuse_wrong_number(len(lines.values))
    try:
        transfers = _ITEMS.validate_python(lines.values)
    except ValidationError as error:
        raise _invalid(_errors_in(error, lines)) from None
    _refuse_what_is_not_allowed(transfers, lines, demo_faults=demo_faults)
    return JudgedBatch([_item(transfer) for transfer in transfers], reference)


def _validated_envelope(body: Any) -> _Envelope:
    try:
        return _Envelope.model_validate(body)
    except ValidationError as error:
        raise _invalid(
            [FieldError(field=".".join(map(str, part["loc"])) or "body", detail=part["msg"]) for part in error.errors()]
        ) from None


def _csv_lines(body: bytes) -> _Lines:
    try:
        text = body.decode("utf-8-sig")
        rows = list(_rows(text))
    except (ValueError, csv.Error) as error:
        raise _invalid([FieldError(field="body", detail=f"is not CSV in UTF-8: {error}")]) from error
    if not rows:
        raise _invalid([FieldError(field="body", detail=f"must begin with a line {','.join(_NEEDED)}")])
    (_, header), *records = rows
    _refuse_wrong_header(header)
    errors = [
        FieldError(field=f"line {line}", detail=f"has {len(record)} fields, the first line has {len(header)}")
        for line, record in records
        if len(record) != len(header)
    ]
    if errors:
        raise _invalid(errors)
    values = [{name: value for name, value in zip(header, record, strict=True) if value} for _, record in records]
    return _Lines(values, [f"line {line}" for line, _ in records])


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line of the file that it begins on. Empty lines are no records."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    line = 1
    for record in reader:
        if record:
            yield line, record
        line = reader.line_num + 1


def _refuse_wrong_header(header: list[str]) -> None:
    errors = [FieldError(field=name, detail="is not a column of a batch") for name in header if name not in _COLUMNS]
    errors += [FieldError(field=name, detail="is missing in the first line") for name in _NEEDED if name not in header]
    errors += [FieldError(field=name, detail="is there twice") for name in _COLUMNS if header.count(name) > 1]
    if errors:
        raise _invalid(errors)


def _refuse_wrong_number(transfers: int) -> None:
    if not 1 <= transfers <= MAX_TRANSFERS:
        detail = f"must be 1 to {MAX_TRANSFERS}, not {transfers}"
        raise _invalid([FieldError(field="transfers", detail=detail)])


def _errors_in(error: ValidationError, lines: _Lines) -> list[FieldError]:
    errors = []
    for part in error.errors(include_url=False, include_context=False, include_input=False):
        index, *path = part["loc"]
        field = ".".join([lines.names[int(index)], *map(str, path)])
        errors.append(FieldError(field=field, detail=part["msg"].removeprefix("Value error, ")))
    return errors


def _refuse_what_is_not_allowed(transfers: Sequence[NewTransfer], lines: _Lines, *, demo_faults: bool) -> None:
    treasuries = [
        FieldError(field=f"{name}.{field}", detail="Treasury accounts can't be named here.")
        for transfer, name in zip(transfers, lines.names, strict=True)
        for field in ("source_account", "destination_account")
        if is_treasury(getattr(transfer, field))
    ]
    if treasuries:
        raise _invalid(treasuries, ProblemCode.TREASURY_NOT_ALLOWED)
    if demo_faults:
        return
    scenarios = [
        FieldError(field=f"{name}.scenario", detail="Demo faults are switched off here.")
        for transfer, name in zip(transfers, lines.names, strict=True)
        if transfer.scenario is not None
    ]
    if scenarios:
        raise _invalid(scenarios, ProblemCode.SCENARIO_NOT_ALLOWED)


def _invalid(errors: Sequence[FieldError], code: ProblemCode = ProblemCode.INVALID_REQUEST) -> Problem:
    told = errors[:ERRORS_TOLD]
    more = f" These are the first {len(told)} of {len(errors)}." if len(told) < len(errors) else ""
    return Problem(code, f"The batch is refused whole: {len(errors)} wrong fields.{more}", told)


def _item(transfer: NewTransfer) -> BatchItem:
    return BatchItem(
        source_account=transfer.source_account,
        destination_account=transfer.destination_account,
        amount_minor=to_minor(transfer.amount, transfer.currency),
        currency=transfer.currency,
        reference=transfer.reference,
        scenario=transfer.scenario,
    )
