"""The alarms: each is about metrics that there are and leads to a section of the runbook; no section is left out."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from transfer_contract.attention import AttentionKind

ROOT: Final = Path(__file__).parents[1]
ALERTS: Final = ROOT / "deploy" / "observability" / "alerts.yml"
RUNBOOK: Final = ROOT / "docs" / "runbook.md"
_METRIC: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b(?=\)|\{|\[| )")
_KIND: Final = re.compile(r'kind="(\w+)"')
_SUFFIXES: Final = {"Counter": "_total", "Gauge": "", "gauge": ""}


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def sections() -> set[str]:
    """As GitHub names them in addresses."""
    headings = re.findall(r"^## (.*)$", RUNBOOK.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def metrics() -> Iterator[str]:
    """By the source: the name that each counter and gauge is made with, as Prometheus shows it."""
    for path in ROOT.glob("*/*/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SUFFIXES:
                name = node.args[0] if node.args else None
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield f"{name.value}{_SUFFIXES[node.func.id]}"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alarm_is_about_metrics_and_kinds_that_there_are(rule: dict[str, Any]) -> None:
    named = set(_METRIC.findall(rule["expr"]))
    assert named
    assert named <= {*metrics()}
    assert {*_KIND.findall(rule["expr"])} <= {*AttentionKind}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alarm_leads_to_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    path, _, section = rule["annotations"]["runbook"].partition("#")
    assert (ROOT / path, section in sections()) == (RUNBOOK, True)
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")


def test_each_kind_that_needs_attention_has_its_section_and_its_alarm() -> None:
    assert {kind.runbook.partition("#")[2] for kind in AttentionKind} <= sections()
    led_to = {rule["annotations"]["runbook"].partition("#")[2] for rule in rules()}
    assert led_to == sections()


def test_prometheus_itself_accepts_them() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Prometheus's own check of the rules is left out")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
