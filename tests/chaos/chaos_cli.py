"""The command: starts the system, runs the chaos, tells the verdict, keeps the evidence."""

import argparse
import asyncio
import shutil
import signal
import subprocess
from pathlib import Path
from random import SystemRandom
from typing import Final

from chaos.chaos_run import LEAD_SECONDS, ChaosRun
from chaos.chaos_system import running_chaos_system
from chaos.evidence import keep_everything, new_folder, write_json
from chaos.faults import KINDS, impossible_here
from chaos.findings import Findings
from chaos.run_screen import RunScreen
from chaos.schedule import FaultKind, ScheduledFault, schedule
from chaos.summary import Plan, Summary, summarise
from proof_parts import PARTS, ROOT, begin, commit, write
from rich.console import Console

LONG_MINUTES: Final = 30
"""From here on a run of all faults is a proof of its own, which shorter ones don't replace."""
EVIDENCE: Final = ROOT / ".local" / "chaos"
_SEEDS: Final = 1_000_000
_MINUTES: Final = 3.0


def main() -> int:
    """0 where the run has passed, 1 where something is wrong."""
    plan = _plan()
    for ending in (signal.SIGINT, signal.SIGTERM):  # stops what it has started; a background job ignores SIGINT
        signal.signal(ending, signal.default_int_handler)
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(
        f"Seed {plan.seed}, {plan.minutes:g} minutes, commit {commit()}. The same again: {plan.command}\n",
        soft_wrap=True,
    )
    folder = new_folder(plan.seed, EVIDENCE)
    proof = proof_file(plan)
    begin(proof, seed=plan.seed, minutes=plan.minutes, command=plan.command)
    try:
        summary = asyncio.run(run_chaos(plan, folder, console))
    finally:
        console.print(f"Evidence: {folder.relative_to(ROOT)}")
    write(proof, **summary.as_json())
    return 0 if summary.passed else 1


def proof_file(plan: Plan, parts: Path = PARTS) -> Path:
    is_long = plan.minutes >= LONG_MINUTES and not plan.kinds
    return parts / ("chaos.json" if is_long else "chaos_short.json")


async def run_chaos(plan: Plan, folder: Path, console: Console) -> Summary:
    """Afterwards the folder has the summary; of a run that didn't pass, or that broke off, also all that it left."""
    with Findings(folder) as findings:
        screen = RunScreen(console, findings)
        async with screen.status_line():
            screen.phase(f"Start the system, {'with' if plan.docker else 'without'} Docker")
            async with running_chaos_system(folder / "system", docker=plan.docker) as system:
                impossible = {kind.value: why for kind, why in impossible_here(system).items()}
                faults = [fault for fault in _faults(plan) if fault.kind not in impossible]
                write_json(folder / "schedule.json", [repr(fault) for fault in faults])
                outcome = None
                try:
                    run = ChaosRun(system, findings, screen)
                    outcome = await run.run(plan.seed, faults, seconds=plan.minutes * 60)
                finally:
                    if outcome is None or findings.violations.all:
                        screen.phase("Keep the evidence")
                        await keep_everything(folder, findings.violations.all, system)
        summary = summarise(plan, outcome, findings, impossible=impossible)
        write_json(folder / "summary.json", summary.as_json())
        screen.verdict(summary, findings.violations.all)
    if summary.passed:
        _drop_what_passed(folder)
    return summary


def _faults(plan: Plan) -> list[ScheduledFault]:
    """What a machine doesn't allow is left out later, so that the rest is the same everywhere."""
    kinds = [FaultKind(kind) for kind in plan.kinds] or KINDS
    return schedule(plan.seed, plan.minutes * 60 - LEAD_SECONDS, kinds, docker=plan.docker)


def random_seed() -> int:
    return SystemRandom().randrange(_SEEDS)


def _drop_what_passed(folder: Path) -> None:
    """An hour's journal and databases are gigabytes."""
    shutil.rmtree(folder / "system", ignore_errors=True)
    (folder / "journal.jsonl").unlink()


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        prog="make chaos", description="Breaks everything, and looks whether money survives."
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="which faults come, and what the clients do; else random"
    )
    parser.add_argument("--minutes", type=float, default=_MINUTES)
    parser.add_argument("--faults", default="", help=f"only these, by commas: {', '.join(KINDS)}")
    parser.add_argument("--docker", choices=["auto", "yes", "no"], default="auto", help="Temporal on PostgreSQL")
    told = parser.parse_args()
    kinds = _kinds(told.faults, parser)
    seed = random_seed() if told.seed is None else told.seed
    docker = {"yes": True, "no": False}.get(told.docker)
    return Plan(seed, told.minutes, kinds, docker_works() if docker is None else docker)


def _kinds(text: str, parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """A word stands for all kinds that have it in their name: `kill`, `link`, `database`."""
    kinds = [
        [kind.value for kind in KINDS if word in kind] or parser.error(f"no fault is named {word}")
        for word in filter(None, text.split(","))
    ]
    return tuple(dict.fromkeys(kind for some in kinds for kind in some))


def docker_works() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
