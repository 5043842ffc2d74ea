"""The public calls for operators: reconciliation and workers."""

from typing import Final

from fastapi import APIRouter
from transfer_contract import http

from gateway.downstream import Downstream
from gateway.openapi import problems
from gateway.response_models import Reconciliation, Workers
from gateway.strict_route import StrictRoute

RECONCILIATION_EXTRA_SECONDS: Final = 30
"""It reads both databases whole."""


class OperationsApi:
    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    def router(self) -> APIRouter:
        router = APIRouter(route_class=StrictRoute, tags=["operations"])
        router.get("/reconciliation", responses=problems())(self.reconcile)
        router.get("/workers", responses=problems())(self.list_workers)
        return router

    async def reconcile(self) -> Reconciliation:
        """Compare accounts with ledger, account by account."""
        extra = RECONCILIATION_EXTRA_SECONDS
        async with self._downstream.deadline(extra_seconds=extra):
            return Reconciliation.of(
                await self._downstream.status_checker.get("/reconciliation", http.Reconciliation, extra_seconds=extra)
            )

    async def list_workers(self) -> Workers:
        """List the workers per kind: which are alive, since when none is, and how many tasks wait."""
        async with self._downstream.deadline():
            return Workers.of(await self._downstream.status_checker.get("/workers", http.WorkersView))
