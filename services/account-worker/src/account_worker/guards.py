"""The alarm of rule 7's guards: they never fire in a correct system."""

import structlog
from prometheus_client import CollectorRegistry, Counter

from account_worker.accounts import GuardViolated


class GuardAlarm:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._violations = Counter(
            "guard_violations", "Requests that rule 7's guards refused: never in a correct system.", registry=registry
        )

    def ring(self, violated: GuardViolated) -> None:
        self._violations.inc()
        structlog.get_logger().critical(
            "guard violated", transfer_id=violated.transfer_id, step=violated.step, found=violated.found
        )
