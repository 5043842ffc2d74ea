"""The calls that a reader can repeat: the curl line that is shown is the one that is run."""

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from demo_errors import DemoError, Json

_WIDTH = 76
_INDENT = "  "
_TRIES = 10
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE


class Curl:
    def __init__(self, gateway_url: str, *, show: Callable[[str], None], pause_seconds: float = 1.0) -> None:
        self._gateway_url = gateway_url
        self._show = show
        self._pause_seconds = pause_seconds

    def get(self, path: str) -> Json:
        return self._call(f"curl -sS {self._url(path)}")

    def post(self, path: str, body: Mapping[str, str] | None = None, *, key: str | None = None) -> Json:
        """Every POST of the API is idempotent, the one with a body by its key."""
        if body is None:
            return self._call(f"curl -sS -X POST \\\n{_INDENT}{self._url(path)}")
        options = ["-H 'Content-Type: application/json'", f"-H 'Idempotency-Key: {key}'", f"-d {_quoted(body)}"]
        return self._call(" \\\n".join([f"curl -sS {self._url(path)}", *(_INDENT + option for option in options)]))

    def _url(self, path: str) -> str:
        return shlex.quote(f"{self._gateway_url}{path}")

    def _call(self, line: str) -> Json:
        """A 503 asks to be repeated: something is still starting."""
        self._show(line)
        for _ in range(_TRIES):
            answer = _run(line)
            if answer.get("status") != _UNAVAILABLE:
                break
            time.sleep(self._pause_seconds)
        refuse_problem(answer)
        return answer


def refuse_problem(answer: Json) -> None:
    """Problems carry an HTTP status, where a transfer carries the name of its own."""
    if not isinstance(answer.get("status"), int):
        return
    raise DemoError(f"the gateway answers {answer['status']} {answer.get('code')}: {answer.get('detail')}")


def require_curl() -> None:
    if shutil.which("curl") is None:
        raise DemoError("the demo calls the API by curl, which isn't on the PATH: install it (`apt install curl`)")


def _run(line: str) -> Json:
    no_proxy = {"NO_PROXY": "localhost", "no_proxy": "localhost"}
    command = ["sh", "-c", line]
    done = subprocess.run(command, env=os.environ | no_proxy, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"the gateway doesn't answer: {done.stderr.strip()}")
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise DemoError(f"the gateway answers something else than JSON: {done.stdout[:200]}") from error
    if not isinstance(answer, dict):
        raise DemoError(f"the gateway answers something else than an object: {done.stdout[:200]}")
    return answer


def _quoted(body: Mapping[str, str]) -> str:
    """One argument for the shell, its fields on as many lines as a narrow terminal needs."""
    lines = [""]
    for name, value in body.items():
        field = f"{json.dumps(name)}: {json.dumps(value)}"
        if lines[-1] and len(_INDENT) + len("-d '{") + len(f"{lines[-1]}, {field}") > _WIDTH:
            lines[-1] += ","
            lines.append("")
        lines[-1] += f", {field}" if lines[-1] else field
    return shlex.quote("{" + ("\n" + _INDENT + "     ").join(lines) + "}")
