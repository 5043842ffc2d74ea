"""Talks to the running supervisord by XML-RPC on loopback: a socket file's path would break in a deep folder."""

import http.client
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from errors import StackError
from processes import SERVERS
from state import CONTROL, State
from supervisor_config import STOP_SECONDS, USER

_ANSWER_SECONDS = 10.0
_ALREADY_STARTED = 60
"""Of supervisord's faults (`supervisor.xmlrpc.Faults`)."""
_STATES = {"STARTING": "starting", "BACKOFF": "restarting", "FATAL": "dead", "EXITED": "restarting"}


@dataclass(frozen=True)
class RunState:
    """`state`: stopped, starting, running, restarting (died by itself), stopping, dead (given up)."""

    name: str
    state: str
    pid: int | None


class Supervisor:
    def __init__(self, state: State) -> None:
        self._url = f"http://{USER}:{state.passwords[CONTROL]}@127.0.0.1:{state.ports[CONTROL]}/RPC2"

    def is_alive(self) -> bool:
        """False also where another program has the port: it doesn't know the password."""
        try:
            return bool(self._call(lambda proxy: proxy.supervisor.getState()))
        except (StackError, xmlrpc.client.Error):
            return False

    def pid(self) -> int:
        return int(self._call(lambda proxy: proxy.supervisor.getPID()))

    def processes(self) -> list[RunState]:
        return [_run_state(info) for info in self._call(lambda proxy: proxy.supervisor.getAllProcessInfo())]

    def process(self, name: str) -> RunState:
        return next(process for process in self.processes() if process.name == name)

    def start(self, name: str) -> None:
        """Also where supervisord has just begun to start it again by itself."""
        try:
            self._call(lambda proxy: proxy.supervisor.startProcess(_full_name(name), False))  # noqa: FBT003
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _ALREADY_STARTED:
                return
            raise StackError(f"{name} can't be started: {fault.faultString}") from fault

    def kill(self, name: str) -> None:
        """SIGKILL, and it stays dead: both requests are handled in one go, before supervisord sees the death."""

        def kill_and_stop(proxy: xmlrpc.client.ServerProxy) -> None:
            both = xmlrpc.client.MultiCall(proxy)
            both.supervisor.signalProcess(_full_name(name), "KILL")
            both.supervisor.stopProcess(_full_name(name))
            both()

        self._call(kill_and_stop, seconds=STOP_SECONDS + _ANSWER_SECONDS)

    def shut_down(self) -> None:
        """Stops the services together, then the servers, then itself; returns before all that is done."""
        self._call(lambda proxy: proxy.supervisor.shutdown())

    def _call(self, request: Callable[[Any], Any], seconds: float = _ANSWER_SECONDS) -> Any:
        try:
            with xmlrpc.client.ServerProxy(self._url, transport=_Transport(seconds)) as proxy:
                return request(proxy)
        except (OSError, http.client.HTTPException) as error:
            raise StackError(f"the process manager doesn't answer ({error}): `make down`, then `make up`") from error


class _Transport(xmlrpc.client.Transport):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = self._seconds
        return connection


def _full_name(name: str) -> str:
    return f"{'servers' if name in SERVERS else 'services'}:{name}"


def _run_state(info: dict[str, Any]) -> RunState:
    state = str(info["statename"])
    return RunState(str(info["name"]), _STATES.get(state, state.lower()), int(info["pid"]) or None)
