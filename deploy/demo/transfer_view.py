"""A transfer in lines for 80 columns, readable without colour: its steps, their attempts, and what it waits for."""

from datetime import UTC, datetime

from demo_errors import Json
from rich.text import Text

_MARKS = {"pending": "·", "running": "▸", "retrying": "↻", "done": "✓", "failed": "✗"}
_STYLES = {"pending": "dim", "running": "yellow", "retrying": "yellow", "done": "green", "failed": "red"}
_STATUS_STYLES = {"completed": "bold green", "compensated": "bold green", "needs_attention": "bold red"}
_NAME_WIDTH = len("withdraw_compensation")
_STATUS_WIDTH = len("retrying")


def transfer_view(transfer: Json, *, seconds: float, width: int) -> Text:
    """`seconds`: since it was sent. What doesn't fit the width is cut off."""
    lines = [_headline(transfer, seconds), *map(_step_line, transfer["steps"])]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _headline(transfer: Json, seconds: float) -> Text:
    status = transfer["status"]
    line = Text.assemble("  ", (status, _STATUS_STYLES.get(status, "bold yellow")), (f"  {seconds:.1f} s", "dim"))
    if transfer["waiting_for"]:
        line.append(f"  waiting for {transfer['waiting_for']}: none is alive", style="bold red")
    elif transfer["failure"]:
        line.append(f"  because of {transfer['failure']['code']}")
    return line


def _step_line(step: Json) -> Text:
    status = step["status"]
    what = f"  {_MARKS[status]} {step['name']:<{_NAME_WIDTH}}  {status:<{_STATUS_WIDTH}}"
    line = Text.assemble((what, _STYLES[status]), "  ", (_remarks(step), "dim"))
    line.rstrip()
    return line


def _remarks(step: Json) -> str:
    remarks = []
    if step["attempts"] > 1:
        remarks.append(f"attempt {step['attempts']}")
    if step["status"] == "retrying" and (left := _seconds_until(step.get("next_attempt_at"))):
        remarks.append(f"next in {left} s")
    if step["error"] and step["status"] != "done":
        remarks.append(f"{step['error']['code']}: {step['error']['detail']}")
    return ", ".join(remarks)


def _seconds_until(timestamp: str | None) -> int:
    """0 where it is over, or nobody has said."""
    if timestamp is None:
        return 0
    return max(0, round((datetime.fromisoformat(timestamp) - datetime.now(UTC)).total_seconds()))
