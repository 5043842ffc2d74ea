"""The participants' rows as workflow-handler asks for them: they stand above what Temporal remembers (rule 11)."""

from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem, unavailable
from transfer_contract.http import ProblemCode, TransferRows
from transfer_contract.names import Process
from transfer_contract.steps import Decision, Step, decision_of


class AccountRows:
    def __init__(self, account_api: InternalClient) -> None:
        self._account_api = account_api

    async def of(self, transfer_id: str) -> TransferRows | None:
        """The accounts rows; None where there is none. Raises `Problem(unavailable)` where they can't be read."""
        try:
            return await self._account_api.get(f"/transfers/{transfer_id}", TransferRows)
        except Problem as problem:
            if problem.code is ProblemCode.NOT_FOUND:
                return None
            raise


class Rows(AccountRows):
    def __init__(self, account_api: InternalClient, ledger_api: InternalClient) -> None:
        super().__init__(account_api)
        self._ledger_api = ledger_api

    async def is_recorded(self, transfer_id: str) -> bool:
        """True where the ledger is known to have committed the transfer (rule 4); False where it can't be asked."""
        try:
            known = await self._ledger_api.get(f"/transfers/{transfer_id}", TransferRows)
        except Problem:
            return False
        return decision_of(known.rows, Step.RECORD) is Decision.APPLIED

    async def lift_fault(self, transfer_id: str) -> None:
        """Switches a demo scenario's fault off for good; a transfer without rows has none."""
        try:
            await self._account_api.command(f"/transfers/{transfer_id}/lift-fault")
        except Problem as problem:
            if problem.code is not ProblemCode.NOT_FOUND:
                raise

    @staticmethod
    def unreadable() -> Problem:
        return unavailable(Process.ACCOUNT_API)
