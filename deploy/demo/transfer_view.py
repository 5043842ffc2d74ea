"""A transfer in lines for 80 columns, readable without colour: its steps, their attempts, and what it waits for."""

from datetime import datetime

from demo_errors import Json
from rich.text import Text

_MARKS = {"pending": "·", "running": "▸", "retrying": "↻", "done": "✓", "failed": "✗"}
_STYLES = {"pending": "dim", "running": "yellow", "retrying": "yellow", "done": "green", "failed": "red"}
_STATUS_STYLES = {"completed": "bold green", "compensated": "bold green", "needs_attention": "bold red"}
_NAME_WIDTH = len("withdraw_compensation")
_STATUS_WIDTH = len("retrying")


def transfer_view(transfer: Json, *, now: datetime, width: int) -> Text:
    """What doesn't fit the width is cut off."""
    lines = [_headline(transfer, now), *(_step_line(step, now) for step in transfer["steps"])]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _headline(transfer: Json, now: datetime) -> Text:
    status = transfer["status"]
    until = _time(transfer["finished_at"]) if transfer["finished_at"] else now
    seconds = (until - _time(transfer["created_at"])).total_seconds()
    line = Text.assemble("  ", (status, _STATUS_STYLES.get(status, "bold yellow")), (f"  {seconds:.1f} s", "dim"))
    if transfer["waiting_for"]:
        line.append(f"  waiting for {transfer['waiting_for']}: none is alive", style="bold red")
    elif transfer["failure"]:
        line.append(f"  because of {transfer['failure']['code']}")
    return line


def _step_line(step: Json, now: datetime) -> Text:
    status = step["status"]
    what = f"  {_MARKS[status]} {step['name']:<{_NAME_WIDTH}}  {status:<{_STATUS_WIDTH}}"
    line = Text.assemble((what, _STYLES[status]), "  ", (_remarks(step, now), "dim"))
    line.rstrip()
    return line


def _remarks(step: Json, now: datetime) -> str:
    remarks = []
    if step["attempts"] > 1:
        remarks.append(f"attempt {step['attempts']}")
    if step["next_attempt_at"]:
        left = (_time(step["next_attempt_at"]) - now).total_seconds()
        remarks.append(f"next in {max(left, 0):.0f} s")
    if step["error"] and step["status"] != "done":
        remarks.append(f"{step['error']['code']}: {step['error']['detail']}")
    return ", ".join(remarks)


def _time(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)
