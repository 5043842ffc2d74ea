"""The commands of the Makefile that run the product without Docker: each prints what it did, or one line why not."""

import argparse
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attention
import leftovers
import log_follower
import processes
from errors import StackError
from published_ports import GATEWAY_VARIABLE, TEMPORAL_UI_VARIABLE, PublishedPorts
from stack import ROOT, Stack, known
from transfer_contract.names import Process

_LOG_LINES = 10
_NOTHING = "Nothing is running: `make up` starts it."

_NEXT = """
  The page     {gateway}   (its API: {gateway}/docs)
  Temporal UI  {ui}

Send a transfer, then poll it:
  curl -i {gateway}/transfers -H 'Content-Type: application/json' \\
    -d '{{"source_account": "alice", "destination_account": "bob", "amount": "25.00", "currency": "EUR"}}'
  curl {gateway}/transfers/<id>

Kill a worker in the middle of one: the same with "scenario": "slow" in the body, then
  make kill SERVICE=account-worker      # the transfer says what it waits for
  make start SERVICE=account-worker     # and it goes on

make demo tells all of it · make ps · make logs · make down · make help"""


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        return _run(_arguments())
    except StackError as error:
        print("\n".join([f"error: {error}", *(f"  | {line}" for line in error.tail())]), file=sys.stderr)
    except PermissionError as error:
        print(f"error: {error}: where that is another user's, run make as that user or give it back", file=sys.stderr)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["up", "demo-free", "down", "reset", "ps", "logs", "kill", "start", "sql"])
    parser.add_argument("service", nargs="?", default="")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()

    def report(line: str) -> None:
        _say(f"  {time.monotonic() - started:5.1f} s  {line}")

    local_dir = Path(os.environ.get("LOCAL_DIR") or ROOT / ".local")
    stack = Stack(local_dir, ports=_ports(), report=report)
    commands: dict[str, Callable[[], int]] = {
        "up": lambda: _up(stack, demo=True),
        "demo-free": lambda: _up(stack, demo=False),
        "reset": lambda: _reset(stack),
        "down": lambda: _down(stack),
        "ps": lambda: _ps(stack),
        "logs": lambda: _logs(stack, arguments.service),
        "kill": lambda: _kill(stack, arguments.service),
        "start": lambda: _start(stack, arguments.service),
        "sql": lambda: subprocess.run(stack.sql(arguments.service), check=False).returncode,
    }
    return commands[arguments.command]()


def _up(stack: Stack, *, demo: bool) -> int:
    if stack.up(demo_data=demo, demo_faults=demo):
        _say_next(stack, "Ready.")
        return 0
    _say_next(stack, "Already running.")
    for process in stack.processes():
        if process.pid is None:
            _say(f"{process.name} is {process.state}: make start SERVICE={process.name}")
    return 0


def _reset(stack: Stack) -> int:
    stack.reset()
    _say_next(stack, "Ready, with nothing but the demo accounts in it.")
    return 0


def _down(stack: Stack) -> int:
    _say("Stopped; the data stay for the next `make up`." if stack.down() else "Nothing was running.")
    return 0


def _ps(stack: Stack) -> int:
    running = stack.processes()
    if not running:
        left = leftovers.find(stack.local_dir)
        _say(f"Processes without their manager: {left}. `make down` ends them." if left else _NOTHING)
        return 0
    for process in running:
        _say(f"{process.name:<18}{process.state:<12}{process.pid or '-':<9}{process.port}")
    _say(f"TEMPORAL_ADDRESS={stack.temporal_address}")
    for line in attention.lines(stack.url(Process.STATUS_CHECKER)):
        _say(line)
    return 0


def _logs(stack: Stack, service: str) -> int:
    names = [known(service)] if service else processes.ALL
    with contextlib.suppress(KeyboardInterrupt):
        for lines in log_follower.follow([stack.log(name) for name in names], last_lines=_LOG_LINES):
            if not all(map(_say, lines)) or _reader_is_gone():
                break
    return 0


def _kill(stack: Stack, service: str) -> int:
    stack.kill(known(service))
    _say(f"{service} is killed and stays dead until `make start SERVICE={service}`.")
    return 0


def _start(stack: Stack, service: str) -> int:
    missing = stack.start(known(service))
    _say(f"{service} runs." if missing is None else f"{service} runs, but isn't ready yet: {missing}")
    return 0


def _ports() -> PublishedPorts | None:
    """None where the caller named none."""
    named = {
        field: _number(variable, os.environ[variable])
        for field, variable in (("gateway", GATEWAY_VARIABLE), ("temporal_ui", TEMPORAL_UI_VARIABLE))
        if os.environ.get(variable)
    }
    return PublishedPorts(**named) if named else None


def _number(variable: str, value: str) -> int:
    if not value.isdecimal():
        raise StackError(f"{variable}={value} is no port: take a number from 1024 to 65535")
    return int(value)


def _say_next(stack: Stack, first_line: str) -> None:
    _say(f"\n{first_line}\n" + _NEXT.format(gateway=stack.gateway_url, ui=stack.temporal_ui_url))


def _say(text: str) -> bool:
    """False where nobody reads it any more (`make up | head`): a start goes on all the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _reader_is_gone() -> bool:
    """Also where there is nothing to say: `make logs | head` ends."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
