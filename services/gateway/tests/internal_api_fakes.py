"""Handwritten fakes of the four internal APIs: real HTTP servers that keep the contract, and break it when told."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar, get_args

from batch_fakes import BatchWorld, add_looking, add_running, add_storing
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from service_runtime.problems import Problem, install_problem_handlers, problem_response, unavailable
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from transfer_contract.attention import Attention
from transfer_contract.http import (
    Account,
    CrashStarted,
    Entry,
    NewAccount,
    Page,
    ProblemCode,
    Reconciliation,
    TransferStarted,
    WorkersView,
)
from transfer_contract.names import Process
from transfer_contract.transfers import TransferOrder, TransferStatus, TransferView

NOW = datetime(2026, 1, 31, 9, 0, 0, 123456, tzinfo=UTC)
HANG_SECONDS = 20

Fault = Literal["hangs", "answers HTML", "answers other JSON", "answers plain 500", "is unavailable"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

Thing = TypeVar("Thing")


@dataclass
class Seen:
    """One call as a fake received it."""

    process: Process
    method: str
    path: str
    query: dict[str, str]
    request_id: str | None


@dataclass
class World:
    """What the fakes know. A test writes it and reads it."""

    orders: dict[str, TransferOrder] = field(default_factory=dict)
    views: dict[str, TransferView] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    reconciliation: Reconciliation = field(
        default_factory=lambda: Reconciliation(balanced=True, currencies=[], discrepancies=[])
    )
    attention: Attention = field(default_factory=lambda: Attention(observed_at=NOW))
    workers: WorkersView = field(default_factory=lambda: WorkersView(items=[]))
    parked: set[str] = field(default_factory=set)
    not_ready: set[Process] = field(default_factory=set)
    next_cursor: str | None = None
    status_of_new: TransferStatus = TransferStatus.ACCEPTED
    completes_while_waited_for: bool = False
    forgets_new: bool = False
    faults: dict[Process, Fault] = field(default_factory=dict)
    seconds_to_answer: dict[Process, float] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    batches: BatchWorld = field(default_factory=BatchWorld)

    def reset(self) -> None:
        batches = self.batches
        batches.__dict__.update(BatchWorld().__dict__)
        self.__dict__.update(World().__dict__)
        self.batches = batches  # the fakes keep it

    def calls(self, process: Process) -> list[Seen]:
        return [seen for seen in self.seen if seen.process is process]

    def view_of(self, order: TransferOrder) -> TransferView:
        return TransferView(
            id=order.transfer_id,
            status=self.status_of_new,
            steps=[],
            created_at=NOW,
            finished_at=NOW if self.status_of_new.is_final else None,
            failure=None,
            waiting_for=None,
            **order.model_dump(exclude={"transfer_id", "scenario"}),
        )


def fake_workflow_handler(world: World) -> FastAPI:
    app = _fake(world, Process.WORKFLOW_HANDLER)
    add_running(app, world.batches)

    @app.post("/transfers")
    async def start(order: TransferOrder) -> TransferStarted:
        known = world.orders.setdefault(order.transfer_id, order)
        if known.fingerprint != order.fingerprint:
            raise Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, "This key belongs to another transfer.")
        replayed = known is not order
        if not replayed and not world.forgets_new:
            world.views[order.transfer_id] = world.view_of(order)
        return TransferStarted(transfer_id=order.transfer_id, replayed=replayed, created_at=NOW)

    @app.post("/transfers/{transfer_id}/cancel", status_code=202)
    async def cancel(transfer_id: str) -> None:
        if _found(world.views, transfer_id).status.is_final:
            raise Problem(ProblemCode.NOT_CANCELLABLE, "It is final.")

    @app.post("/transfers/{transfer_id}/retry", status_code=202)
    async def retry(transfer_id: str) -> None:
        _found(world.views, transfer_id)
        if transfer_id not in world.parked:
            raise Problem(ProblemCode.NOT_PARKED, "It isn't parked.")

    return app


def fake_status_checker(world: World) -> FastAPI:
    app = _fake(world, Process.STATUS_CHECKER)
    add_looking(app, world.batches)

    @app.get("/transfers/{transfer_id}")
    async def get(
        transfer_id: str, until: Literal["change", "final"], wait: int = 0, known: str | None = None
    ) -> TransferView:
        view = _found(world.views, transfer_id)
        changed = known is not None and known != view.version
        if wait and not changed and not view.status.is_final:
            await asyncio.sleep(0.2)  # no test waits longer for a change
            if world.completes_while_waited_for:
                view = view.model_copy(update={"status": TransferStatus.COMPLETED, "finished_at": NOW})
                world.views[transfer_id] = view
        return view

    @app.get("/transfers")
    async def list_transfers() -> Page[TransferView]:
        return Page(items=list(world.views.values()), next_cursor=world.next_cursor)

    @app.get("/workers")
    async def workers() -> WorkersView:
        return world.workers

    @app.get("/attention")
    async def attention(limit: int) -> Attention:
        return world.attention.model_copy(update={"items": world.attention.items[:limit]})

    @app.get("/reconciliation")
    async def reconciliation() -> Reconciliation:
        return world.reconciliation

    return app


def fake_account_api(world: World) -> FastAPI:
    app = _fake(world, Process.ACCOUNT_API)
    add_storing(app, world.batches)

    @app.post("/accounts")
    async def create(new: NewAccount, response: Response) -> Account:
        account = Account(**new.model_dump(), balance_minor=0, held_minor=0, status="open", created_at=NOW)
        known = world.accounts.setdefault(new.id, account)
        if known.model_dump(include=set(NewAccount.model_fields)) != new.model_dump():
            raise Problem(ProblemCode.ACCOUNT_EXISTS, "It exists with other data.")
        response.status_code = 201 if known is account else 200
        return known

    @app.get("/accounts")
    async def list_accounts() -> Page[Account]:
        return Page(items=list(world.accounts.values()), next_cursor=world.next_cursor)

    @app.get("/accounts/{account_id}")
    async def get(account_id: str) -> Account:
        return _found(world.accounts, account_id)

    @app.post("/accounts/{account_id}/close")
    async def close(account_id: str) -> Account:
        account = _found(world.accounts, account_id)
        if account.balance_minor:
            raise Problem(ProblemCode.ACCOUNT_NOT_EMPTY, "It has a balance.")
        return account.model_copy(update={"status": "closed"})

    return app


def fake_ledger_api(world: World) -> FastAPI:
    app = _fake(world, Process.LEDGER_API)

    @app.get("/accounts/{account_id}/entries")
    async def entries(account_id: str) -> Page[Entry]:
        return Page(items=world.entries.get(account_id, []), next_cursor=world.next_cursor)

    return app


def fake_worker(world: World, process: Process) -> FastAPI:
    app = _fake(world, process)

    @app.post("/crash", status_code=202)
    async def crash() -> CrashStarted:
        return CrashStarted(process=process)

    return app


def _fake(world: World, process: Process) -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    async def misbehave(request: Request, call_next: RequestResponseEndpoint) -> Response:
        world.seen.append(
            Seen(
                process,
                request.method,
                request.url.path,
                dict(request.query_params),
                request.headers.get("x-request-id"),
            )
        )
        await asyncio.sleep(world.seconds_to_answer.get(process, 0))
        return await _misbehaviour(world.faults.get(process)) or await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=misbehave)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> None:
        if process in world.not_ready:
            raise unavailable("its database")

    return app


async def _misbehaviour(fault: Fault | None) -> Response | None:
    match fault:
        case "hangs":
            await asyncio.sleep(HANG_SECONDS)
            return Response(status_code=204)
        case "answers HTML":
            return Response("<h1>It works!</h1>", media_type="text/html")
        case "answers other JSON":
            return JSONResponse({"surprise": [1, 2, 3]})
        case "answers plain 500":
            return Response("Internal Server Error", 500, media_type="text/plain")
        case "is unavailable":
            return problem_response(unavailable("the accounts database"))
        case None:
            return None


def _found(things: dict[str, Thing], key: str) -> Thing:
    if key not in things:
        raise Problem(ProblemCode.NOT_FOUND, f"{key} doesn't exist.")
    return things[key]
