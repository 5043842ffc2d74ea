"""The public calls for operators: reconciliation and workers."""

from fastapi import APIRouter
from transfer_contract import http

from gateway.downstream import Downstream
from gateway.openapi import problems
from gateway.response_models import Reconciliation, Workers
from gateway.strict_route import strict_router


class OperationsApi:
    def __init__(self, downstream: Downstream, *, reconciliation_seconds: float) -> None:
        self._downstream = downstream
        self._reconciliation_seconds = reconciliation_seconds

    def router(self) -> APIRouter:
        router = strict_router("operations")
        router.get("/reconciliation", responses=problems())(self.reconcile)
        router.get("/workers", responses=problems())(self.list_workers)
        return router

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
