"""A Temporal client to which the server says of a run that it describes: its history isn't found."""

from dataclasses import replace
from uuid import uuid4

from temporalio.client import (
    Client,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowHistoryEventAsyncIterator,
)


def without_histories(client: Client) -> Client:
    """The same server, asked for another run's history each time: the answer is its own."""
    config = client.config()
    config["interceptors"] = [_LostHistories()]
    return Client(**config)


class _LostHistories(Interceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _AnotherRun(super().intercept_client(next))


class _AnotherRun(OutboundInterceptor):
    def fetch_workflow_history_events(
        self,
        input: FetchWorkflowHistoryEventsInput,  # noqa: A002 - the SDK's name
    ) -> WorkflowHistoryEventAsyncIterator:
        return super().fetch_workflow_history_events(replace(input, run_id=str(uuid4())))
