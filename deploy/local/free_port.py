"""TCP ports on loopback that nothing listens on right now."""

import random
import socket
from collections.abc import Collection

RANGE = range(20000, 30000)
"""Below the ports that Linux and macOS give to outgoing connections: one of those would take the port of a process
that is being restarted."""


def is_free(port: int) -> bool:
    """Raises PermissionError where this user may not listen on it at all."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: a closed connection isn't in the way
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def free_port(*, besides: Collection[int] = ()) -> int:
    return next(port for port in random.sample(RANGE, len(RANGE)) if port not in besides and is_free(port))
