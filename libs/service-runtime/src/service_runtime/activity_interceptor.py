"""What surrounds every activity: its heartbeat, its place in the metrics, the alarm when it is parked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)
from transfer_contract.names import PARKED_AFTER_ATTEMPTS, PARKED_SIGNAL
from transfer_contract.steps import StepError

HEARTBEAT_SECONDS: Final = 1.0
_DETAIL_LENGTH: Final = 500
_SIGNAL_SECONDS: Final = 1.0
"""The step itself matters more."""
_PARKED_SIGNALS: Final = 3
"""Sent on this many attempts in a row, so that one lost signal changes nothing and the history stays short."""


class StepInterceptor(Interceptor):
    """Give it to every activity worker, and keep the activities themselves free of all this."""

    def __init__(self, client: Client, registry: CollectorRegistry) -> None:
        self._client = client
        self._attempts = Counter(
            "activity_attempts", "Finished attempts by outcome.", ["activity", "outcome"], registry=registry
        )

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - SDK
        return _StepInbound(next, self._client, self._attempts)


class _StepInbound(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, client: Client, attempts: Counter) -> None:
        super().__init__(next_)
        self._client = client
        self._attempts = attempts

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = outbound
        super().init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - SDK
        info = activity.info()
        outcome = "applied"
        try:
            async with self._heartbeat():
                await self._tell_if_parked(info)
                return await self.next.execute_activity(input)
        except ApplicationError as error:
            outcome = "refused" if error.category is ApplicationErrorCategory.BENIGN else "failed"
            raise
        except BaseException:
            outcome = "failed"
            raise
        finally:
            self._attempts.labels(info.activity_type, outcome).inc()

    @asynccontextmanager
    async def _heartbeat(self) -> AsyncIterator[None]:
        """Beats after each second, and once more with the error where the attempt fails: the next attempt can read it.

        The server counts an attempt's start as its first beat, and most are over before they would need a second one.
        """

        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                self._outbound.heartbeat(*activity.info().heartbeat_details)

        beating = asyncio.create_task(beat())
        try:
            yield
        except Exception as error:
            self._outbound.heartbeat(step_error(error))
            raise
        finally:
            beating.cancel()

    async def _tell_if_parked(self, info: activity.Info) -> None:
        """Above `PARKED_AFTER_ATTEMPTS` the workflow is told, so that it can show it and go on where rule 6 lets it."""
        since_parked = info.attempt - PARKED_AFTER_ATTEMPTS
        limited = info.retry_policy is not None and info.retry_policy.maximum_attempts > 0
        if limited or not 0 < since_parked <= _PARKED_SIGNALS or info.workflow_id is None:
            return
        workflow = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        try:
            async with asyncio.timeout(_SIGNAL_SECONDS):
                await workflow.signal(PARKED_SIGNAL, info.activity_type)
        except (RPCError, TimeoutError) as error:
            structlog.get_logger().warning("parked signal failed", workflow_id=info.workflow_id, error=str(error))


def step_error(error: BaseException) -> StepError:
    """An attempt's error as the rows and the status show it: a stable code, and a sentence cut to a sane length."""
    if isinstance(error, ApplicationError):
        return StepError(code=error.type or type(error).__name__, detail=error.message[:_DETAIL_LENGTH])
    return StepError(code=type(error).__name__, detail=str(error)[:_DETAIL_LENGTH])


def last_error() -> StepError | None:
    """Inside an activity: the error of the attempt before this one, if there was one and its worker could tell."""
    details = activity.info().heartbeat_details
    return StepError.model_validate(details[0]) if details else None
