"""docs/proof.md, from what the runs have left in .local/proof.

Every figure is one that a run has measured; a part that has not run says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from proof_parts import IS_OVER

Json = Any
_HEAD: Final = """\
# Proof

The claim: no fault makes or loses money, and every transfer ends. This page is written by `make proof` from what the
last runs measured; the command below each heading measures it again. Rules are cited by their numbers in
[the protocol](protocol.md).
"""
_NOT_RUN: Final = "Not run yet."
_TOLD_APART: Final = frozenset({"commit", "passed", "violations", "command", "valid", "valid_completed"})
_LABELS: Final = {
    "minutes": "minutes of load and faults",
    "accounts": "accounts opened",
    "ended_by_operators": "transfers whose workflow was terminated, reset or deleted",
    "forgotten": "of those, deleted before their first row and sent again with their key",
    "excused": "answers excused, about what was deleted before its first row",
    "operations_at_once": "operations at once, at most",
    "requests_unknown": "requests without an answer, repeated until there was one",
    "longest_recovery_seconds": "longest recovery, from a fault's beginning until a transfer begun after it completed",
    "longest_transfer_seconds": (
        "longest transfer, faults included; what was deleted before its first row is sent again after the last fault"
    ),
    "opened_seconds": "hot accounts open after",
    "healed_seconds": "everything runs again after the last fault",
    "settled_seconds": "all transfers final after healing",
    "compared_with_api": "compared at the end: API with the rows",
    "compared_with_temporal": "compared at the end: Temporal's result with the rows",
    "batches": "batches whose workflow has closed with a result",
    "faults": "faults injected",
    "faults_by_target": "faults injected, by what they broke",
    "faults_without_effect": "not counted, for what they would have broken was away, or nothing came by",
    "faults_impossible": "not possible on this machine",
    "transfers": "transfers by final status",
    "reads": "checked all the time",
}
"""Of a chaos run's figures; any other is told by its name."""


def proof(parts: Mapping[str, Json]) -> str:
    """The page, from the parts by name; one that is missing was not run."""
    sections = [_section(parts.get(name), *section) for name, section in SECTIONS.items()]
    return "\n".join([_HEAD, *_warning(parts), *sections])


def commits(parts: Mapping[str, Json]) -> dict[str, str]:
    """By part; a `+` in it says that the work tree had changes that no commit holds."""
    return {name: str(part.get("commit") or "unknown") for name, part in parts.items() if name in SECTIONS}


def _warning(parts: Mapping[str, Json]) -> Iterator[str]:
    if len({*commits(parts).values()}) > 1:
        yield "**These parts are of different commits.** Not one of them holds all that is proved here.\n"


def _section(part: Json, title: str, command: str, write: Callable[[Json], Iterator[str]]) -> str:
    return "\n".join([f"## {title}", "", f"`{command}`", "", *_told(part, write), ""])


def _told(part: Json, write: Callable[[Json], Iterator[str]]) -> Iterator[str]:
    if part is None:
        yield _NOT_RUN
        return
    yield f"Commit `{part.get('commit') or 'unknown'}`."
    yield ""
    if part.get(IS_OVER, True):
        yield from write(part)
    else:
        yield "**Not passed**: the last run has broken off, or goes on."


def _chaos(run: Json) -> Iterator[str]:
    yield (
        "Real processes, two of each worker, a fault proxy on every link, and faults at random from a seed. 50 clients "
        "repeat what they get no answer to; at most 20 of them are busy at once, and at most 10 operations a second "
        "begin, for two cores. One operation in a hundred is a batch. Each of 1000 cold accounts is opened when it is "
        "first needed. The rows of both databases are checked all the time."
    )
    yield ""
    yield from _table(("measured", ""), _chaos_figures(run))
    yield ""
    yield f"With the commit, the seed makes the same schedule again: `{run['command']}`"
    for name, value in run.items():
        if value and isinstance(value, dict):
            yield ""
            yield from _table((_label(name), ""), value.items())
        elif value and isinstance(value, list):
            yield ""
            yield f"{_label(name)}:"
            yield ""
            yield from _rows(value)


def _chaos_figures(run: Json) -> Iterator[tuple[object, ...]]:
    yield "result", "passed" if run["passed"] else f"**failed**: {run['violations']} violations"
    yield "faults injected", sum(run["faults"].values())
    yield "transfers", sum(run["transfers"].values())
    share = f" ({100 * run['valid_completed'] / run['valid']:.1f} %)" if run["valid"] else ""
    yield "valid transfers completed", f"{run['valid_completed']} of {run['valid']}{share}"
    for name, value in run.items():
        if name not in _TOLD_APART and not isinstance(value, dict | list):
            yield _label(name), f"{value} s" if name.endswith("_seconds") else value


def _label(name: str) -> str:
    return _LABELS.get(name, name.removesuffix("_seconds").replace("_", " "))


def _kill_matrix(part: Json) -> Iterator[str]:
    rows = part["rows"]
    failed = sum(str(row["outcome"]).startswith("FAILED") for row in rows)
    yield f"SIGKILL exactly there, {sum(row['kills'] for row in rows)} times in all, then a restart: {failed} failed."
    yield ""
    yield from _rows(rows)


_IN_TESTS_WORDS: Final = "told"
"""How pytest put it, line by line: for who looks into a mutation, in .local/proof."""


def _mutations(part: Json) -> Iterator[str]:
    rows = part["rows"]
    caught = sum(bool(row["caught"]) for row in rows)
    yield f"Planted bugs: {caught} of {part['bugs']} are caught, so the checks are known to be able to fail."
    yield ""
    yield from _rows([{name: value for name, value in row.items() if name != _IN_TESTS_WORDS} for row in rows])


def _model(part: Json) -> Iterator[str]:
    explored, dropped = part.get("explored", []), part.get("rules_dropped", [])
    wrong = sum(row["wrong"] != "nothing" for row in explored)
    yield (
        f"Every state of the model, {sum(row['states'] for row in explored)} in all; something is wrong, or no end can "
        f"be reached, in {wrong} of {len(explored)} cases. Of two transfers that share accounts one may be reset, and "
        "that only in the cases of the nightly run. Seconds are of CPU time."
    )
    yield ""
    yield from _rows(explored)
    yield ""
    found = sum(bool(row["found"]) for row in dropped)
    yield f"Of {len(dropped)} models without one of the rules, {found} have a counterexample: each of these is needed."
    yield ""
    yield from _rows(dropped)


SECTIONS: Final[dict[str, tuple[str, str, Callable[[Json], Iterator[str]]]]] = {
    "chaos": ("Chaos run", "make chaos SEED=… MINUTES=60", _chaos),
    "chaos_short": ("Short chaos run", "make chaos SEED=… MINUTES=…", _chaos),
    "kill_matrix": ("Kill matrix", "make kill-matrix", _kill_matrix),
    "mutations": ("Mutations", "make mutations", _mutations),
    "model": ("Model", "make test nightly", _model),
}


def _rows(rows: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """Records of one shape, their fields as columns."""
    if not rows:
        yield "None in this run."
        return
    columns = list(rows[0])
    yield from _table([column.replace("_", " ") for column in columns], ([row[c] for c in columns] for row in rows))


def _table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    yield _line(head)
    yield "|" + "---|" * len(head)
    yield from map(_line, rows)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, list):
        return "<br>".join(map(_cell, value))
    if isinstance(value, dict):
        return "<br>".join(f"{_cell(name)}: {_cell(each)}" for name, each in value.items())
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def lost(page: str, parts: Mapping[str, Json]) -> list[str]:
    """The sections of a page that have figures and would have none: they were measured elsewhere."""
    told = {section.partition("\n")[0]: section for section in page.split("\n## ")[1:]}
    return [
        title
        for name, (title, _, _) in SECTIONS.items()
        if name not in parts and title in told and _NOT_RUN not in told[title]
    ]
