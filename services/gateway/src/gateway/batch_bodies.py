"""The body of `POST /transfer-batches`, JSON or CSV, judged whole: what is wrong is told line by line, all at once."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from service_runtime.problems import Problem
from transfer_contract.batches import MAX_TRANSFERS, BatchItem
from transfer_contract.http import FieldError, ProblemCode
from transfer_contract.identity import is_treasury

from gateway.money import to_minor
from gateway.parameters import PlainText
from gateway.request_models import NewTransfer
from gateway.strict_json import parse_json

LINES_TOLD: Final = 100
"""Of the wrong ones in a body: who has more to mend begins with these."""

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


class _Wrong(NamedTuple):
    """Something wrong with the transfer at a place of the list."""

    place: int
    error: FieldError
    code: ProblemCode = ProblemCode.INVALID_REQUEST


@dataclass(frozen=True)
class _Lines:
    """The transfers as given, what each is called where something is wrong with it, and what is wrong already."""

    values: list[Any]
    names: Sequence[str]
    wrong: list[_Wrong] = field(default_factory=list)


def judge_batch(body: bytes, *, is_csv: bool, demo_faults: bool) -> JudgedBatch:
    """Raises Problem with an error for each wrong field of each wrong line, the first `LINES_TOLD` of these."""
    reference = None
    if is_csv:
        lines = _csv_lines(body)
    else:
        envelope = _validated_envelope(parse_json(body))
        reference = envelope.reference
        lines = _Lines(envelope.transfers, [f"transfers.{index}" for index in range(len(envelope.transfers))])
    _refuse_wrong_number(len(lines.values))
    transfers, wrong = _validated(lines)
    wrong += _not_allowed(transfers, lines, demo_faults=demo_faults)
    if wrong:
        raise _refused(wrong)
    return JudgedBatch([_item(transfer) for transfer in transfers.values()], reference)


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
    values = [{name: value for name, value in zip(header, record, strict=False) if value} for _, record in records]
    names = [f"line {line}" for line, _ in records]
    wrong = [
        _Wrong(index, FieldError(field=names[index], detail=f"has {len(record)} fields, the first line {len(header)}"))
        for index, (_, record) in enumerate(records)
        if len(record) != len(header)
    ]
    return _Lines(values, names, wrong)


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


def _validated(lines: _Lines) -> tuple[Mapping[int, NewTransfer], list[_Wrong]]:
    """The transfers that are valid, by index, and what is wrong with the others."""
    wrong = [*lines.wrong]
    uneven = {each.place for each in wrong}
    given = {index: value for index, value in enumerate(lines.values) if index not in uneven}
    try:
        return dict(zip(given, _ITEMS.validate_python([*given.values()]), strict=True)), wrong
    except ValidationError as error:
        invalid = [*_errors_in(error, [*given], lines.names)]
    bad = {each.place for each in invalid}
    valid = {index: value for index, value in given.items() if index not in bad}
    return dict(zip(valid, _ITEMS.validate_python([*valid.values()]), strict=True)), wrong + invalid


def _errors_in(error: ValidationError, indexes: Sequence[int], names: Sequence[str]) -> Iterator[_Wrong]:
    for part in error.errors(include_url=False, include_context=False, include_input=False):
        number, *path = part["loc"]
        index = indexes[int(number)]
        name = ".".join([names[index], *map(str, path)])
        yield _Wrong(index, FieldError(field=name, detail=part["msg"].removeprefix("Value error, ")))


def _not_allowed(transfers: Mapping[int, NewTransfer], lines: _Lines, *, demo_faults: bool) -> Iterator[_Wrong]:
    for index, transfer in transfers.items():
        for side in ("source_account", "destination_account"):
            if is_treasury(getattr(transfer, side)):
                detail = "Treasury accounts can't be named here."
                told = FieldError(field=f"{lines.names[index]}.{side}", detail=detail)
                yield _Wrong(index, told, ProblemCode.TREASURY_NOT_ALLOWED)
        if transfer.scenario is not None and not demo_faults:
            told = FieldError(field=f"{lines.names[index]}.scenario", detail="Demo faults are switched off here.")
            yield _Wrong(index, told, ProblemCode.SCENARIO_NOT_ALLOWED)


def _refused(wrong: list[_Wrong]) -> Problem:
    """With the code of what is wrong where that is the same everywhere."""
    lines = sorted({each.place for each in wrong})
    told = lines[:LINES_TOLD]
    shown = sorted((each for each in wrong if each.place <= told[-1]), key=lambda each: each.place)
    codes = {each.code for each in wrong}
    more = f" These are the first {len(told)} of them." if len(told) < len(lines) else ""
    return Problem(
        codes.pop() if len(codes) == 1 else ProblemCode.INVALID_REQUEST,
        f"The batch is refused whole: {len(lines)} of its transfers are wrong.{more}",
        [each.error for each in shown],
    )


def _invalid(errors: Sequence[FieldError]) -> Problem:
    """Of what isn't a list of transfers at all."""
    return Problem(ProblemCode.INVALID_REQUEST, "The batch is refused whole: it can't be read.", errors)


def _item(transfer: NewTransfer) -> BatchItem:
    return BatchItem(
        source_account=transfer.source_account,
        destination_account=transfer.destination_account,
        amount_minor=to_minor(transfer.amount, transfer.currency),
        currency=transfer.currency,
        reference=transfer.reference,
        scenario=transfer.scenario,
    )
