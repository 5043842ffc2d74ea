"""The public calls for operators: what needs attention, reconciliation, workers."""

from fastapi import APIRouter
from transfer_contract import attention, http

from gateway.downstream import Downstream
from gateway.openapi import problems
from gateway.parameters import PageLimit
from gateway.response_models import Attention, Reconciliation, Workers
from gateway.strict_route import strict_router


class OperationsApi:
    def __init__(self, downstream: Downstream, *, reconciliation_seconds: float) -> None:
        self._downstream = downstream
        self._reconciliation_seconds = reconciliation_seconds

    def router(self) -> APIRouter:
        router = strict_router("operations")
        router.get("/attention", responses=problems())(self.list_attention)
        router.get("/reconciliation", responses=problems())(self.reconcile)
        router.get("/workers", responses=problems())(self.list_workers)
        return router

    async def list_attention(self, limit: PageLimit = 50) -> Attention:
        """List what needs an operator, why, since when, and where the runbook says what to do: empty if all is well.

        The most urgent and oldest first. It is looked at every few seconds; `503` where it can't be told.
        """
        async with self._downstream.deadline():
            return Attention.of(
                await self._downstream.status_checker.get("/attention", attention.Attention, query={"limit": limit})
            )

    async def reconcile(self) -> Reconciliation:
        """Compare accounts with ledger, account by account."""
        extra = self._reconciliation_seconds
        async with self._downstream.deadline(extra_seconds=extra):
            return Reconciliation.of(
                await self._downstream.status_checker.get("/reconciliation", http.Reconciliation, extra_seconds=extra)
            )

    async def list_workers(self) -> Workers:
        """List the workers per kind: which are alive, since when none is, and how many tasks wait."""
        async with self._downstream.deadline():
            return Workers.of(await self._downstream.status_checker.get("/workers", http.WorkersView))
