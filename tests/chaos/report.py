"""`python tests/chaos/report.py`: writes docs/proof.md from what the runs have left in .local/proof; `make proof`.

Every figure is one that a run has measured; a part that has not run says so.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Json = Any
_ROOT: Final = Path(__file__).resolve().parents[2]
_HEAD: Final = """\
# Proof

The claim: no fault makes or loses money, and every transfer ends. This page is written by `make proof` from what the
last runs measured; the command below each heading measures it again.
"""


def proof(parts: Mapping[str, Json]) -> str:
    """The page, from the parts by name; one that is missing was not run."""
    sections = [_section(parts.get(name), *section) for name, section in _SECTIONS.items()]
    return "\n".join([_HEAD, *sections])


def _section(part: Json, title: str, command: str, write: Callable[[Json], Iterator[str]]) -> str:
    lines = write(part) if part is not None else iter(["Not run yet."])
    return "\n".join([f"## {title}", "", f"`{command}`", "", *lines, ""])


def _chaos(run: Json) -> Iterator[str]:
    yield (
        "Real processes, two of each worker, a fault proxy on every link, 50 clients that repeat what they get no "
        "answer to, and faults at random from a seed; the rows of both databases are checked all the time."
    )
    yield ""
    yield from _table(("measured", ""), _chaos_figures(run))
    yield ""
    yield f"With the commit, the seed makes the same schedule again: `{run['command']}`"
    yield ""
    yield from _table(("fault", "injected"), run["faults"].items())
    yield ""
    if run["faults_without_effect"]:
        met_nothing = ", ".join(f"{number} {kind}" for kind, number in run["faults_without_effect"].items())
        yield f"Not counted, for what they would have broken was away itself: {met_nothing}."
    for kind, reason in run["faults_impossible"].items():
        yield f"Not possible on this machine: {kind} ({reason})."
    yield ""
    yield from _table(
        ("checked all the time", "read", "unknown", "longest time without"),
        (
            (reads["check"], reads["succeeded"], reads["unknown"], f"{reads['longest_gap_seconds']} s")
            for reads in run["reads"]
        ),
    )


def _chaos_figures(run: Json) -> Iterator[tuple[object, ...]]:
    yield "result", "passed" if run["passed"] else f"**failed**: {run['violations']} violations"
    yield "commit, seed", f"`{run['commit']}`, {run['seed']}"
    yield "minutes of load and faults", f"{run['minutes']:g}"
    yield "faults injected", sum(run["faults"].values())
    yield "of them kills", run["kills"]
    yield "transfers", sum(run["transfers"].values())
    for status, number in run["transfers"].items():
        yield f"… {status}", number
    yield "accounts opened", run["accounts"]
    share = f" ({100 * run['valid_completed'] / run['valid']:.1f} %)" if run["valid"] else ""
    yield "valid transfers completed", f"{run['valid_completed']} of {run['valid']}{share}"
    yield "transfers whose workflow was terminated, reset or deleted", run["ended_by_operators"]
    yield "requests", run["requests"]
    yield "requests without an answer, repeated until there was one", run["requests_unknown"]
    yield "longest recovery, from a fault's end to a transfer that completes", f"{run['longest_recovery_seconds']} s"
    yield "longest transfer, faults included", f"{run['longest_transfer_seconds']} s"
    yield "all transfers final after healing", f"{run['settled_seconds']} s"
    yield "compared at the end: API with the rows", run["compared_with_api"]
    yield "compared at the end: Temporal's result with the rows", run["compared_with_temporal"]


def _kill_matrix(rows: Json) -> Iterator[str]:
    failed = sum(str(row["outcome"]).startswith("FAILED") for row in rows)
    yield f"SIGKILL exactly there, {sum(row['kills'] for row in rows)} times in all, then a restart: {failed} failed."
    yield ""
    yield from _rows(rows)


def _mutations(rows: Json) -> Iterator[str]:
    caught = sum(bool(row["caught"]) for row in rows)
    yield f"Planted bugs: {caught} of {len(rows)} are caught, so the checks are known to be able to fail."
    yield ""
    yield from _rows(rows)


def _model(part: Json) -> Iterator[str]:
    explored, dropped = part["explored"], part["rules_dropped"]
    wrong = sum(row["wrong"] != "nothing" for row in explored)
    yield (
        f"Every state of the protocol's model, {sum(row['states'] for row in explored)} in all; something is wrong, or "
        f"no end can be reached, in {wrong} of {len(explored)} cases. Seconds are of CPU time."
    )
    yield ""
    yield from _rows(explored)
    yield ""
    found = sum(bool(row["found"]) for row in dropped)
    yield f"Of {len(dropped)} models without one of the rules, {found} have a counterexample: each of these is needed."
    yield ""
    yield from _rows(dropped)


_SECTIONS: Final[dict[str, tuple[str, str, Callable[[Json], Iterator[str]]]]] = {
    "chaos": ("Chaos run", "make chaos SEED=… MINUTES=…", _chaos),
    "kill_matrix": ("Kill matrix", "make kill-matrix", _kill_matrix),
    "mutations": ("Mutations", "make mutations", _mutations),
    "model": ("Model", "make test nightly", _model),
}


def _rows(rows: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """Records of one shape, their fields as columns."""
    columns = list(rows[0]) if rows else []
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
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def main() -> int:
    parts = {file.stem: json.loads(file.read_text()) for file in sorted((_ROOT / ".local" / "proof").glob("*.json"))}
    if not parts:
        print("nothing in .local/proof: run `make chaos` first", file=sys.stderr)  # noqa: T201 - a command
        return 1
    page = _ROOT / "docs" / "proof.md"
    page.write_text(proof(parts))
    print(f"{page.relative_to(_ROOT)}: {', '.join(name for name in _SECTIONS if name in parts)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
