"""Real servers on free loopback ports, for apps under test and for the fakes that they call."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

START_SECONDS = 10


@contextlib.contextmanager
def serving(*apps: FastAPI, port: int = 0) -> Iterator[list[str]]:
    """The base URLs of the apps, served from a thread of their own until the block ends."""
    sockets = [_loopback_socket(port) for _ in apps]
    servers = [uvicorn.Server(_config(app)) for app in apps]
    thread = threading.Thread(target=lambda: asyncio.run(_serve(servers, sockets)), daemon=True)
    thread.start()
    _wait_until_started(servers)
    try:
        yield [f"http://127.0.0.1:{listening.getsockname()[1]}" for listening in sockets]
    finally:
        for server in servers:
            server.should_exit = server.force_exit = True
        thread.join()


def closed_port_url() -> str:
    """Nobody listens there."""
    with _loopback_socket() as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def _loopback_socket(port: int = 0) -> socket.socket:
    bound = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on sockets that say this
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")


async def _serve(servers: list[uvicorn.Server], sockets: list[socket.socket]) -> None:
    await asyncio.gather(
        *(server.serve(sockets=[listening]) for server, listening in zip(servers, sockets, strict=True))
    )


def _wait_until_started(servers: list[uvicorn.Server]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(server.started for server in servers):
        if time.monotonic() > deadline:
            raise TimeoutError("a test's server did not start")
        time.sleep(0.01)
