"""The body of `POST /transfer-batches`, JSON or CSV, judged whole: what is wrong is told line by line, all at once."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
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
_MOST_FIELDS: Final = 50
"""Of one object or first line: each that is unknown would be an error of its own."""


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


class _Line(NamedTuple):
    """A transfer as given, what it is called where something is wrong with it, and why it can't even be judged."""

    name: str
    value: Any
    uneven: str | None = None


def judge_batch(body: bytes, *, is_csv: bool, demo_faults: bool) -> JudgedBatch:
    """Raises Problem with an error for each wrong field of each wrong line, the first `LINES_TOLD` of these.

    Of a wrong line no more is kept than what is told of it: all errors of a body take hundreds of times its size.
    """
    reference, lines = (None, _csv_lines(body)) if is_csv else _json_lines(body)
    judge, count = _Judge(demo_faults=demo_faults), 0
    for count, line in enumerate(lines, start=1):
        if count <= MAX_TRANSFERS:
            judge.take(line)
    _refuse_wrong_number(count)
    return JudgedBatch(judge.items(), reference)


def _json_lines(body: bytes) -> tuple[str | None, Iterator[_Line]]:
    parsed = parse_json(body)
    if uneven := _too_many_fields(parsed):
        raise _invalid([FieldError(field="body", detail=uneven)])
    try:
        envelope = _Envelope.model_validate(parsed)
    except ValidationError as error:
        raise _invalid(
            [FieldError(field=".".join(map(str, part["loc"])) or "body", detail=part["msg"]) for part in error.errors()]
        ) from None
    given = enumerate(envelope.transfers)
    return envelope.reference, (_Line(f"transfers.{index}", value, _too_many_fields(value)) for index, value in given)


def _too_many_fields(value: Any) -> str | None:
    if isinstance(value, dict) and len(value) > _MOST_FIELDS:
        return f"has {len(value)} fields"
    return None


def _csv_lines(body: bytes) -> Iterator[_Line]:
    rows = _rows(body)
    _, header = next(rows, (0, None))
    if header is None:
        raise _invalid([FieldError(field="body", detail=f"must begin with a line {','.join(_NEEDED)}")])
    _refuse_wrong_header(header)
    for line, record in rows:
        even = len(record) == len(header)
        uneven = None if even else f"has {len(record)} fields, the first line {len(header)}"
        value = {name: value for name, value in zip(header, record, strict=False) if value}
        yield _Line(f"line {line}", value, uneven)


def _rows(body: bytes) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line of the file that it begins on. Empty lines are no records."""
    line = 1
    try:
        reader = csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except (ValueError, csv.Error) as error:
        raise _invalid([FieldError(field="body", detail=f"is not CSV in UTF-8: {error}")]) from error


def _refuse_wrong_header(header: list[str]) -> None:
    unknown = (name for name in header if name not in _COLUMNS)
    errors = [FieldError(field=name, detail="is not a column of a batch") for name in islice(unknown, _MOST_FIELDS)]
    errors += [FieldError(field=name, detail="is missing in the first line") for name in _NEEDED if name not in header]
    errors += [FieldError(field=name, detail="is there twice") for name in _COLUMNS if header.count(name) > 1]
    if errors:
        raise _invalid(errors)


def _refuse_wrong_number(transfers: int) -> None:
    if not 1 <= transfers <= MAX_TRANSFERS:
        detail = f"must be 1 to {MAX_TRANSFERS}, not {transfers}"
        raise _invalid([FieldError(field="transfers", detail=detail)])


class _Judge:
    """Takes the lines one by one."""

    def __init__(self, *, demo_faults: bool) -> None:
        self._demo_faults = demo_faults
        self._items: list[BatchItem] = []
        self._wrong = 0
        self._codes: set[ProblemCode] = set()
        self._told: list[FieldError] = []

    def take(self, line: _Line) -> None:
        if line.uneven:
            self._refuse({ProblemCode.INVALID_REQUEST}, [FieldError(field=line.name, detail=line.uneven)])
            return
        try:
            transfer = NewTransfer.model_validate(line.value)
        except ValidationError as error:
            self._refuse({ProblemCode.INVALID_REQUEST}, _errors_in(error, line.name))
            return
        if not_allowed := [*_not_allowed(transfer, line.name, demo_faults=self._demo_faults)]:
            self._refuse((code for code, _ in not_allowed), (error for _, error in not_allowed))
        self._items.append(_item(transfer))

    def items(self) -> list[BatchItem]:
        """All that were taken. Raises Problem where any was wrong, with their code if that is the same for all."""
        if not self._wrong:
            return self._items
        more = f" These are the first {LINES_TOLD} of them." if self._wrong > LINES_TOLD else ""
        raise Problem(
            self._codes.pop() if len(self._codes) == 1 else ProblemCode.INVALID_REQUEST,
            f"The batch is refused whole: {self._wrong} of its transfers are wrong.{more}",
            self._told,
        )

    def _refuse(self, codes: Iterable[ProblemCode], errors: Iterable[FieldError]) -> None:
        self._wrong += 1
        self._codes.update(codes)
        if self._wrong <= LINES_TOLD:
            self._told += errors


def _errors_in(error: ValidationError, name: str) -> Iterator[FieldError]:
    for part in error.errors(include_url=False, include_context=False, include_input=False):
        field = ".".join([name, *map(str, part["loc"])])
        yield FieldError(field=field, detail=part["msg"].removeprefix("Value error, "))


def _not_allowed(transfer: NewTransfer, name: str, *, demo_faults: bool) -> Iterator[tuple[ProblemCode, FieldError]]:
    for side in ("source_account", "destination_account"):
        if is_treasury(getattr(transfer, side)):
            told = FieldError(field=f"{name}.{side}", detail="Treasury accounts can't be named here.")
            yield ProblemCode.TREASURY_NOT_ALLOWED, told
    if transfer.scenario is not None and not demo_faults:
        told = FieldError(field=f"{name}.scenario", detail="Demo faults are switched off here.")
        yield ProblemCode.SCENARIO_NOT_ALLOWED, told


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
