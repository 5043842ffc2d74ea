"""What needs an operator, in a few lines: as status-checker tells it, or that it can't be told."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any, Final

SHOWN: Final = 5
_PATIENCE_SECONDS: Final = 2.0


def lines(status_checker_url: str, *, shown: int = SHOWN) -> list[str]:
    """None where all is well."""
    try:
        told = _get(f"{status_checker_url}/attention?limit={shown}")
    except urllib.error.HTTPError as error:
        return ["", f"What needs attention can't be told: {_detail(error)}"]
    except (OSError, ValueError):
        return ["", "What needs attention can't be told: status-checker doesn't answer."]
    if not told["counts"]:
        return []
    counts = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in told["counts"].items())
    more = sum(told["counts"].values()) - len(told["items"])
    rest = [f"  and {more} more: GET /attention"] if more > 0 else []
    return ["", f"Needs attention: {counts}", *(line for item in told["items"] for line in _item(item)), *rest]


def _get(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_PATIENCE_SECONDS) as answer:
        told: dict[str, Any] = json.load(answer)
        return told


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError):
        return f"status-checker answers {error.code}."


def _item(item: dict[str, Any]) -> list[str]:
    what = item["transfer_id"] or item["process"] or ""
    since = f"since {_since(item['since'])}" if item["since"] else ""
    return [
        "  " + "  ".join(filter(None, [item["kind"].replace("_", " "), what, since])),
        f"    {item['detail']}  {item['runbook']}",
    ]


def _since(text: str) -> str:
    began = datetime.fromisoformat(text)
    seconds = max(0, round((datetime.now(UTC) - began).total_seconds()))
    age = f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
    return f"{began.astimezone().strftime('%Y-%m-%d %H:%M:%S')} ({age})"
