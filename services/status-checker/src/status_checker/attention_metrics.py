"""The alarms' metrics: what the last observation has found. deploy/observability/alerts.yml is built on them."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from transfer_contract.attention import Attention, AttentionKind
from transfer_contract.http import WorkersView
from transfer_contract.names import Process, TaskQueue


class AttentionMetrics:
    """A gauge keeps its last value while nothing can be observed: then the times of observation stand still."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self._items = gauge("attention_items", "What needs an operator, by kind; of transfers, how many.", "kind")
        self._task_failures = gauge(
            "workflow_task_failures_in_a_row", "The highest count of any transfer's workflow that was looked at."
        )
        self._compensation_age = gauge(
            "oldest_compensation_age_seconds", "Of the oldest compensation that isn't finished; 0 where there is none."
        )
        self._transfer_age = gauge(
            "oldest_unfinished_transfer_age_seconds", "Of the oldest transfer that isn't final; 0 where there is none."
        )
        self._backlog = gauge("task_queue_backlog", "Tasks that wait for a worker.", "queue")
        self._workers = gauge("live_workers", "Worker processes that are alive.", "process")
        self._balanced = gauge("reconciliation_balanced", "1 where accounts and ledger agree; 0 where they don't.")
        self._temporal = gauge("temporal_reachable", "1 where the Temporal server answers, 0 where it doesn't.")
        self._observed = gauge(
            "attention_observed_timestamp_seconds", "When it was last known what needs an operator; 0: not yet."
        )
        self._reconciled = gauge(
            "reconciliation_observed_timestamp_seconds", "When accounts and ledger were last compared; 0: not yet."
        )

    def observed(self, attention: Attention, *, task_failures: int) -> None:
        for kind in AttentionKind:
            self._items.labels(kind).set(attention.counts.get(kind, 0))
        self._task_failures.set(task_failures)
        self._temporal.set(1)
        self._observed.set(attention.observed_at.timestamp())

    def not_observed(self, *, temporal_answers: bool) -> None:
        self._temporal.set(temporal_answers)

    def ages(self, now: datetime, *, compensation: datetime | None, transfer: datetime | None) -> None:
        """Since when the oldest one of each is under way."""
        self._compensation_age.set((now - compensation).total_seconds() if compensation else 0)
        self._transfer_age.set((now - transfer).total_seconds() if transfer else 0)

    def workers(self, view: WorkersView) -> None:
        for group in view.items:
            self._workers.labels(Process(group.process)).set(len(group.workers))
            if group.backlog is not None:
                self._backlog.labels(TaskQueue(group.queue)).set(group.backlog)

    def reconciled(self, at: datetime, *, balanced: bool) -> None:
        self._balanced.set(balanced)
        self._reconciled.set(at.timestamp())
