"""The connection to Temporal, configured by the SDK's own envconfig variables (TEMPORAL_ADDRESS, …)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import structlog
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from service_runtime.problems import unavailable

WORKER_HEARTBEAT_INTERVAL: Final = timedelta(seconds=1)
"""How often a worker tells the server that it lives; status-checker's `waiting_for` is built on it."""

_RECONNECT_SECONDS: Final = 1.0
_AWAY: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.ABORTED,
    }
)

Answer = TypeVar("Answer")


async def lazy_client() -> Client:
    """For an HTTP process: connects at the first call, so the process starts while Temporal is away.

    Its calls fail within about a second instead of being retried for ten: the caller answers 503 and is repeated.
    """
    config = ClientConfig.load_client_connect_config()
    return await Client.connect(
        **config,
        lazy=True,
        data_converter=pydantic_data_converter,
        retry_config=RetryConfig(max_elapsed_time_millis=1000, max_retries=3),
        connect_timeout=timedelta(seconds=1),
    )


async def connect_worker_client() -> Client:
    """For a worker: waits for as long as Temporal is away, then connects with worker heartbeats on."""
    config = ClientConfig.load_client_connect_config()
    logging_config = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    runtime = Runtime(
        telemetry=TelemetryConfig(logging=logging_config), worker_heartbeat_interval=WORKER_HEARTBEAT_INTERVAL
    )
    log = structlog.get_logger()
    while True:
        try:
            return await Client.connect(**config, data_converter=pydantic_data_converter, runtime=runtime)
        except RuntimeError as error:  # the SDK's word for a connection that failed
            log.warning("Temporal can't be reached, waiting for it", error=str(error)[:200])
            await asyncio.sleep(_RECONNECT_SECONDS)


async def describe_workflow(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """Its newest run; None where the server knows of none. Raises RPCError."""
    try:
        return await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def is_away(error: RPCError) -> bool:
    """True where the error says that the server couldn't answer, not what it answered."""
    return error.status in _AWAY


def has_no_history(error: RPCError) -> bool:
    """True where the server doesn't find the history of a run that it has just described.

    By a run's id that is INVALID_ARGUMENT, "may have passed retention period". It says so of runs that somebody is
    deleting, and for a moment of runs that nobody has deleted (seen while its database was slow): so it isn't known
    whether the run is forgotten.
    """
    return error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)


async def ask_temporal(call: Callable[[], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
    """Runs one or more Temporal calls within a deadline. Raises `Problem(unavailable)` where the server is away."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await call()
    except TimeoutError as error:
        raise unavailable("Temporal") from error
    except RuntimeError as error:  # a lazy client's first connection
        raise unavailable("Temporal") from error
    except RPCError as error:
        if is_away(error):
            raise unavailable("Temporal") from error
        raise


async def temporal_answers(client: Client) -> bool:
    """A readiness check: the server can be reached and serves the namespace's frontend."""
    try:
        async with asyncio.timeout(1):
            return await client.service_client.check_health(timeout=timedelta(seconds=1))
    except (TimeoutError, RuntimeError, RPCError):
        return False
