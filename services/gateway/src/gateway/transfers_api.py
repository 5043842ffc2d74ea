"""The public calls on transfers: POST, GET, list, cancel, retry."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Response
from service_runtime.problems import RETRY_AFTER_SECONDS, Problem, unavailable
from transfer_contract.http import FieldError, Page, ProblemCode, TransferStarted
from transfer_contract.identity import transfer_id_from_key
from transfer_contract.names import Process
from transfer_contract.transfers import TransferOrder, TransferStatus, TransferView

from gateway.downstream import Downstream
from gateway.entity_tags import IfNoneMatch, entity_tag
from gateway.idempotency import NAME as KEY_HEADER
from gateway.idempotency import IdempotencyKey
from gateway.openapi import ENTITY_TAG, LOCATION, RETRY_AFTER, WITH_A_BODY, Responses, header, problems
from gateway.parameters import AccountFilter, PageCursor, PageLimit, TransferIdInPath, WaitSeconds
from gateway.preferences import PreferredWait
from gateway.request_models import NewTransfer, refuse_treasury
from gateway.response_models import Transfer, TransferPage
from gateway.strict_route import strict_router

_STARTED = {
    **LOCATION,
    "Idempotent-Replayed": header("`true` where this key had started the transfer before", "true"),
    "Preference-Applied": header("The `wait` that was granted", "wait=10"),
}


class TransfersApi:
    def __init__(self, downstream: Downstream, *, demo_faults: bool) -> None:
        self._downstream = downstream
        self._demo_faults = demo_faults

    def router(self) -> APIRouter:
        router = strict_router("transfers")
        router.post(
            "/transfers",
            status_code=202,
            responses={
                200: {"model": Transfer, "description": "Final within the preferred wait", "headers": _STARTED},
                202: {"description": "Accepted", "headers": {**_STARTED, **RETRY_AFTER}},
                **problems(
                    *WITH_A_BODY,
                    ProblemCode.IDEMPOTENCY_KEY_REUSED,
                    ProblemCode.TREASURY_NOT_ALLOWED,
                    ProblemCode.SCENARIO_NOT_ALLOWED,
                ),
            },
        )(self.start_transfer)
        router.get("/transfers", responses=problems())(self.list_transfers)
        router.get(
            "/transfers/{id}",
            response_model=Transfer,
            responses={
                200: {"headers": {**ENTITY_TAG, **RETRY_AFTER}},
                304: {"description": "The transfer is as `If-None-Match` says", "headers": ENTITY_TAG},
                **problems(ProblemCode.NOT_FOUND),
            },
        )(self.get_transfer)
        requested: Responses = {202: {"description": "Requested", "headers": {**LOCATION, **RETRY_AFTER}}}
        router.post(
            "/transfers/{id}/cancel",
            status_code=202,
            responses={**requested, **problems(ProblemCode.NOT_FOUND, ProblemCode.NOT_CANCELLABLE)},
        )(self.cancel_transfer)
        router.post(
            "/transfers/{id}/retry",
            status_code=202,
            responses={**requested, **problems(ProblemCode.NOT_FOUND, ProblemCode.NOT_PARKED)},
        )(self.retry_transfer)
        return router

    async def start_transfer(
        self, new: NewTransfer, key: IdempotencyKey, preferred_wait: PreferredWait, response: Response
    ) -> Transfer:
        """Start a transfer.

        Accounts aren't looked up here: an unknown source ends `rejected`, an unknown destination `compensated`.
        """
        self._refuse_what_is_not_allowed(new)
        order = new.to_order(transfer_id_from_key(key))
        wait = preferred_wait or 0
        with _repeatable(key, order):
            async with self._downstream.deadline(extra_seconds=wait):
                started = await self._downstream.workflow_handler.post("/transfers", TransferStarted, body=order)
                view = await self._look_at_started(order, started, wait)
        _point_at(view, response)
        if started.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        if preferred_wait is not None:
            response.headers["Preference-Applied"] = f"wait={preferred_wait}"
            response.status_code = 200 if view.status.is_final else 202
        return Transfer.of(view)

    async def list_transfers(
        self,
        status: Annotated[TransferStatus | None, Query(description="Only transfers in this status")] = None,
        account: AccountFilter = None,
        limit: PageLimit = 20,
        cursor: PageCursor = None,
    ) -> TransferPage:
        """List transfers, newest first."""
        query = {"status": status, "account": account, "limit": limit, "cursor": cursor}
        async with self._downstream.deadline():
            page = await self._downstream.status_checker.get("/transfers", Page[TransferView], query=query)
        return TransferPage(items=[Transfer.of(view) for view in page.items], next_cursor=page.next_cursor)

    async def get_transfer(
        self, transfer_id: TransferIdInPath, client_has: IfNoneMatch, response: Response, wait: WaitSeconds = 0
    ) -> Transfer | Response:
        """Get a transfer, or wait for its next change."""
        seconds = 0 if client_has.are_outdated else wait
        async with self._downstream.deadline(extra_seconds=seconds):
            view = await self._look(transfer_id, wait=seconds, until="change", known=client_has.known)
        response.headers["ETag"] = entity_tag(view.version)
        response.headers["Cache-Control"] = "no-cache"
        _advise_to_look_again(view, response)
        if client_has.include(view.version):
            return Response(status_code=304, headers=dict(response.headers))
        return Transfer.of(view)

    async def cancel_transfer(self, transfer_id: TransferIdInPath, response: Response) -> Transfer:
        """Ask for a transfer to be undone.

        `202` is a request, not a promise: a transfer that is past its point of no return by then still completes.
        """
        return await self._command(transfer_id, "cancel", response)

    async def retry_transfer(self, transfer_id: TransferIdInPath, response: Response) -> Transfer:
        """Retry a compensation that needs attention, now (for operators)."""
        return await self._command(transfer_id, "retry", response)

    async def _command(self, transfer_id: str, command: str, response: Response) -> Transfer:
        async with self._downstream.deadline():
            await self._downstream.workflow_handler.command(f"/transfers/{transfer_id}/{command}")
            view = await self._look(transfer_id)
        _point_at(view, response)
        return Transfer.of(view)

    async def _look(
        self, transfer_id: str, *, wait: int = 0, until: str = "change", known: str | None = None
    ) -> TransferView:
        client = self._downstream.long_polls if wait else self._downstream.status_checker
        query: dict[str, str | int | None] = {"wait": wait, "until": until, "known": known}
        return await client.get(f"/transfers/{transfer_id}", TransferView, query=query, extra_seconds=wait)

    async def _look_at_started(self, order: TransferOrder, started: TransferStarted, wait: int) -> TransferView:
        """What has just been started is at least accepted, also while nobody can say more."""
        try:
            return await self._look(order.transfer_id, wait=wait, until="final")
        except Problem as problem:
            if started.replayed:
                raise unavailable(Process.STATUS_CHECKER) from problem
            return TransferView.accepted(order, created_at=started.created_at)

    def _refuse_what_is_not_allowed(self, new: NewTransfer) -> None:
        refuse_treasury("source_account", new.source_account)
        refuse_treasury("destination_account", new.destination_account)
        if new.scenario is not None and not self._demo_faults:
            detail = "Demo faults are switched off here."
            raise Problem(ProblemCode.SCENARIO_NOT_ALLOWED, detail, [FieldError(field="scenario", detail=detail)])


@contextmanager
def _repeatable(key: str, order: TransferOrder) -> Iterator[None]:
    """A 503 doesn't say whether the transfer was started: it tells the key that makes repeating it safe."""
    try:
        yield
    except Problem as problem:
        if problem.code is not ProblemCode.UNAVAILABLE:
            raise
        detail = f"{problem.detail} Repeat it with the header `{KEY_HEADER}: {key}`: then it is the same transfer."
        headers = {KEY_HEADER: key, "Location": f"/transfers/{order.transfer_id}"}
        raise Problem(problem.code, detail, headers=headers) from problem


def _point_at(view: TransferView, response: Response) -> None:
    response.headers["Location"] = f"/transfers/{view.id}"
    _advise_to_look_again(view, response)


def _advise_to_look_again(view: TransferView, response: Response) -> None:
    if not view.status.is_final:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
