"""Three minutes of mixed faults, as `make chaos` runs them: from a seed that is told, so that it can be had again."""

from typing import Final

import pytest
from chaos.chaos_cli import EVIDENCE, docker_works, random_seed, run_chaos
from chaos.evidence import new_folder
from chaos.summary import Plan
from rich.console import Console

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

MINUTES: Final = 3.0


async def test_money_survives_mixed_faults(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(random_seed(), MINUTES, (), docker=docker_works())
    with capsys.disabled():
        console = Console(highlight=False, emoji=False, markup=False)
        console.print(f"\n{plan.command}", soft_wrap=True)
        summary = await run_chaos(plan, new_folder(plan.seed, EVIDENCE), console)
    assert summary.passed
