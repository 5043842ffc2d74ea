"""The public calls on accounts: open, list, get, entries, close."""

from fastapi import APIRouter, Response
from transfer_contract import http
from transfer_contract.http import Page, ProblemCode, TransferStarted
from transfer_contract.identity import opening_transfer_id, treasury_of
from transfer_contract.transfers import TransferOrder

from gateway.downstream import Downstream
from gateway.openapi import WITH_A_BODY, header, problems
from gateway.parameters import AccountIdInPath, PageCursor, PageLimit
from gateway.request_models import NewAccount, refuse_treasury
from gateway.response_models import Account, AccountPage, CreatedAccount, Entry, EntryPage
from gateway.strict_route import strict_router

_LOCATION = {"Location": header("The account", "/accounts/alice")}


class AccountsApi:
    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    def router(self) -> APIRouter:
        router = strict_router("accounts")
        router.post(
            "/accounts",
            status_code=201,
            response_model_exclude_none=True,
            responses={
                200: {"model": CreatedAccount, "description": "It exists with this data", "headers": _LOCATION},
                201: {"description": "Created", "headers": _LOCATION},
                **problems(*WITH_A_BODY, ProblemCode.ACCOUNT_EXISTS, ProblemCode.TREASURY_NOT_ALLOWED),
            },
        )(self.create_account)
        router.get("/accounts", responses=problems())(self.list_accounts)
        router.get("/accounts/{id}", responses=problems(ProblemCode.NOT_FOUND))(self.get_account)
        router.get("/accounts/{id}/entries", responses=problems(ProblemCode.NOT_FOUND))(self.list_entries)
        router.post(
            "/accounts/{id}/close",
            responses=problems(ProblemCode.NOT_FOUND, ProblemCode.ACCOUNT_NOT_EMPTY, ProblemCode.TREASURY_NOT_ALLOWED),
        )(self.close_account)
        return router

    async def create_account(self, new: NewAccount, response: Response) -> CreatedAccount:
        """Open an account.

        `201` says that it exists; the transfer that brings its opening balance may still run. A repeat starts a
        missing one.
        """
        refuse_treasury("id", new.id)
        async with self._downstream.deadline():
            status, account = await self._downstream.account_api.post_for_status(
                "/accounts", http.Account, body=new.to_internal()
            )
            opening_transfer = await self._start_opening_transfer(account)
        response.status_code = status
        response.headers["Location"] = f"/accounts/{account.id}"
        return CreatedAccount.of(account).model_copy(update={"opening_transfer": opening_transfer})

    async def list_accounts(self, limit: PageLimit = 20, cursor: PageCursor = None) -> AccountPage:
        """List accounts, by id."""
        query = {"limit": limit, "cursor": cursor}
        async with self._downstream.deadline():
            page = await self._downstream.account_api.get("/accounts", Page[http.Account], query=query)
        return AccountPage(items=[Account.of(account) for account in page.items], next_cursor=page.next_cursor)

    async def get_account(self, account_id: AccountIdInPath) -> Account:
        """Get an account."""
        async with self._downstream.deadline():
            return Account.of(await self._get(account_id))

    async def list_entries(
        self, account_id: AccountIdInPath, limit: PageLimit = 20, cursor: PageCursor = None
    ) -> EntryPage:
        """List an account's ledger entries, newest first."""
        query = {"limit": limit, "cursor": cursor}
        async with self._downstream.deadline():
            await self._get(account_id)  # the ledger knows entries, not accounts
            page = await self._downstream.ledger_api.get(
                f"/accounts/{account_id}/entries", Page[http.Entry], query=query
            )
        return EntryPage(items=[Entry.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def close_account(self, account_id: AccountIdInPath) -> Account:
        """Close an account that has no balance, no held credit and no transfer in flight."""
        refuse_treasury("id", account_id)
        async with self._downstream.deadline():
            return Account.of(await self._downstream.account_api.post(f"/accounts/{account_id}/close", http.Account))

    async def _get(self, account_id: str) -> http.Account:
        return await self._downstream.account_api.get(f"/accounts/{account_id}", http.Account)

    async def _start_opening_transfer(self, account: http.Account) -> str | None:
        """Out of the treasury. Its id follows from the account's, so that a repeat starts it at most once."""
        if account.opening_balance_minor == 0:
            return None
        order = TransferOrder(
            transfer_id=opening_transfer_id(account.id),
            source_account=treasury_of(account.currency),
            destination_account=account.id,
            amount_minor=account.opening_balance_minor,
            currency=account.currency,
            reference="opening balance",
        )
        started = await self._downstream.workflow_handler.post("/transfers", TransferStarted, body=order)
        return started.transfer_id
