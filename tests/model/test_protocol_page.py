"""docs/protocol.md is in step with the model, and so with the code: its table, and the rules that can be dropped."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

from model.participants import Participants
from model.protocol import Account, Accounts, Body, Name, Order, Problem, Request, Rows
from model.rules import Rule
from transfer_contract.steps import Compensation, Decision, Step

PAGE: Final = Path(__file__).parents[2] / "docs" / "protocol.md"
Table = dict[tuple[Name, Decision | None], set[Decision]]
"""What a request may answer, by the row that it finds."""

_FOUND: Final = (None, *Decision)
_ANSWER: Final = re.compile(r"(?:^|→ )\**`(\w+)`")
_RULE: Final = re.compile(r"^### (\d+)\. .*\n\n(•?)", re.MULTILINE)
_ORDER: Final = Order(source=0, destination=1, amount=2)
_ACCOUNTS: Final[tuple[Accounts, ...]] = (
    (Account(2), Account(0)),
    (Account(1), Account(0)),
    (Account(2), Account(0, is_open=False)),
    (Account(2), None),
    (None, Account(0)),
)


def told() -> Table:
    """By the page. A cell without an answer is one that a correct system never comes to."""
    page = PAGE.read_text()
    lines = page[page.index("## What each request does to its row") :].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    cells = {
        (_name(request.strip("`")), found): {Decision(word) for word in _ANSWER.findall(cell)}
        for request, *found_cells in rows
        for found, cell in zip(_FOUND, found_cells, strict=True)
    }
    return {where: answers for where, answers in cells.items() if answers}


def modelled() -> Table:
    """By the model, of which `test_model_schedules` says that the services' own code does the same."""
    answers: Table = defaultdict(set)
    participants = Participants({Body.FIRST: _ORDER})
    for rows, accounts, name in product(_rows(), _ACCOUNTS, (*Step, *Compensation)):
        step = name.step if isinstance(name, Compensation) else name
        for executed in participants.execute(rows, accounts, Request(name, Body.FIRST)):
            if not isinstance(executed.answer, Problem):
                answers[name, getattr(rows, step)].add(executed.answer)
    return dict(answers)


def _rows() -> Iterator[Rows]:
    of_record = (None, Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED)
    of_release = (None, Decision.APPLIED)
    for withdraw, deposit, release, record in product(_FOUND, _FOUND, of_release, of_record):
        yield Rows(withdraw, deposit, release, Body.FIRST, record, Body.FIRST)


def _name(name: str) -> Name:
    return Compensation(name) if name.endswith("_compensation") else Step(name)


def test_the_table_of_the_page_is_the_models() -> None:
    assert told() == modelled()


def test_the_rules_that_the_page_marks_are_those_that_the_model_can_drop() -> None:
    marks = {int(number): mark == "•" for number, mark in _RULE.findall(PAGE.read_text())}
    assert list(marks) == list(range(1, 15))
    dropped = {int(number) for rule in Rule for number in re.findall(r"\d+", rule.partition(":")[0])}
    assert {number for number, is_marked in marks.items() if is_marked} == dropped
