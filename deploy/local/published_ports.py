"""The two ports that people use, and what to do where one of them can't be had."""

from dataclasses import dataclass

from errors import StackError
from free_port import is_free

GATEWAY_VARIABLE = "GATEWAY_PORT"
TEMPORAL_UI_VARIABLE = "TEMPORAL_UI_PORT"


@dataclass(frozen=True)
class PublishedPorts:
    gateway: int = 8080
    temporal_ui: int = 8233

    def check(self) -> None:
        """Raises StackError where one is in use."""
        if self.gateway == self.temporal_ui:
            raise StackError(f"{GATEWAY_VARIABLE} and {TEMPORAL_UI_VARIABLE} are both {self.gateway}: make them differ")
        _check(self.gateway, GATEWAY_VARIABLE)
        _check(self.temporal_ui, TEMPORAL_UI_VARIABLE)


def _check(port: int, variable: str) -> None:
    if not 1 <= port <= 65535:
        raise StackError(f"{variable}={port} is no port: take one from 1024 to 65535")
    try:
        free = is_free(port)
    except PermissionError as error:
        raise StackError(f"port {port} is for root only: take one above 1023, `make up {variable}=…`") from error
    if not free:
        other = next(candidate for candidate in range(port % 60000 + 1, 65536) if is_free(candidate))
        raise StackError(f"port {port} is in use: end what listens there, or `make up {variable}={other}`")
