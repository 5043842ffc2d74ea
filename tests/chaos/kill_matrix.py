"""The kill matrix: what exactly is killed, and in the middle of what, for each process at each of the five moments.

Each work of a process has a place `before` it is begun, and one `after` it is done (a participant's transaction is
committed by then) and nobody has been told. A process that has no part in a state of the saga is killed in the middle
of a request about a transfer that is in it, or idle. A server is killed while a worker stands at such a place.
"""

from itertools import chain
from typing import Final

from chaos.kill_batches import batch_cells_of_others, batch_cells_of_workers
from chaos.kill_cells import Asked, Cell, Moment
from chaos.kill_parked import Parked
from chaos.kill_points import (
    Point,
    Work,
    account_is_open,
    after,
    before,
    fault_is_lifted,
    is_started,
    request,
    step,
    task,
)
from chaos.kill_situations import (
    Situation,
    abandoned,
    abandoned_past_its_record,
    compensating,
    forgotten,
    new,
    new_account,
    reconciling,
    recording,
)
from chaos.kill_subjects import Subject
from transfer_contract.steps import Compensation, Step

POST: Final = "POST /transfers"
READ: Final = "GET /transfers/{id}"
CANCEL: Final = "POST /transfers/{id}/cancel"
RETRY: Final = "POST /transfers/{id}/retry"

OPEN_ACCOUNT: Final = request("account-api", "POST /accounts", trace=account_is_open)
WHICH_ARE_SHUT: Final = request("ledger-api", "GET /transfers/shut", of_client=False)
LIFT_FAULT: Final = request("account-api", "POST /transfers/{id}/lift-fault", trace=fault_is_lifted)
WHICH_ARE_FINAL: Final = request("account-api", "POST /transfers/final", of_client=False)

WITHDRAW: Final = step("account-worker", "withdraw", leaves="applied")
DEPOSIT: Final = step("account-worker", "deposit", leaves="applied")
RECORD: Final = step("ledger-worker", "record", leaves="applied")
RELEASE: Final = step("account-worker", "release", leaves="applied")
SHUT_THE_DOOR: Final = step("ledger-worker", "record_compensation", leaves="cancelled")
UNDO_DEPOSIT: Final = step("account-worker", "deposit_compensation", leaves="compensated")
UNDO_WITHDRAW: Final = step("account-worker", "withdraw_compensation", leaves="compensated")

FINISH_DOOR: Final = step("ledger-worker", "record_compensation", by="finish")
FINISH_SHUT: Final = step("ledger-worker", "record_compensation", leaves="cancelled", by="finish")
FINISH_RELEASE: Final = step("account-worker", "release", leaves="applied", by="finish")
FINISH_DEPOSIT: Final = step("account-worker", "deposit_compensation", leaves="compensated", by="finish")
FINISH_WITHDRAW: Final = step("account-worker", "withdraw_compensation", leaves="compensated", by="finish")
SEARCH: Final = Work("workflow-worker", "search", ("find_abandoned_transfers",))

BEFORE, AFTER, COMPENSATING, PARKED, RECONCILING = Moment
IN_REFUND, AT_THE_DOOR, IN_RELEASE = Parked(Compensation.WITHDRAW), Parked(Compensation.RECORD), Parked(Step.RELEASE)

IDLE: Final = Asked(Subject.read)


def polled(at: Point) -> Asked:
    """By the client, who wants to know how it is."""
    return Asked(Subject.read, at)


def cancelled(at: Point) -> Asked:
    return Asked(Subject.cancel, at)


def posted_again(at: Point) -> Asked:
    """With its key."""
    return Asked(Subject.post, at)


def undone(process: str, moment: Moment, situation: Situation, *on_its_way: Point, asked: Asked | None = None) -> Cell:
    """A cell that ends `compensated`."""
    return Cell(process, moment, situation, on_its_way, asked, "compensated")


def _gateway(name: str = "gateway") -> list[Cell]:
    posting, reading, retrying = request(name, POST, trace=is_started), request(name, READ), request(name, RETRY)
    return [
        Cell(name, BEFORE, new(), (before(posting),)),
        Cell(name, AFTER, new(), (after(posting),)),
        undone(name, COMPENSATING, compensating, asked=polled(after(reading))),
        undone(name, PARKED, IN_REFUND, after(retrying), asked=polled(before(reading))),
        undone(name, RECONCILING, reconciling, asked=polled(after(reading))),
    ]


def _workflow_handler(name: str = "workflow-handler") -> list[Cell]:
    """A repeated POST starts another run beside the reconciler's, which finds the door shut."""
    starting, cancelling = request(name, POST, trace=is_started), request(name, CANCEL)
    return [
        Cell(name, BEFORE, new(), (before(starting),)),
        Cell(name, AFTER, new(), (after(starting),)),
        undone(name, COMPENSATING, compensating, asked=cancelled(after(cancelling))),
        undone(name, PARKED, IN_REFUND, after(request(name, RETRY)), asked=cancelled(before(cancelling))),
        undone(name, RECONCILING, reconciling, asked=posted_again(after(request(name, POST)))),
    ]


def _status_checker(name: str = "status-checker") -> list[Cell]:
    """It reads, for whoever asks the gateway about a transfer; a retry is answered with a look, too."""
    reading = request(name, READ)
    return [
        Cell(name, BEFORE, new(), (before(reading),)),
        Cell(name, AFTER, new(), (after(reading),)),
        undone(name, COMPENSATING, compensating, asked=polled(after(reading))),
        undone(name, PARKED, IN_REFUND, before(reading), asked=polled(after(reading))),
        undone(name, RECONCILING, reconciling, asked=polled(after(reading))),
    ]


def _account_api(name: str = "account-api") -> list[Cell]:
    """It opens accounts and lifts a parked transfer's fault; else it reads, for the reconciler's search as well."""
    reading = request(name, READ)
    return [
        Cell(name, BEFORE, new_account, (before(OPEN_ACCOUNT),)),
        Cell(name, AFTER, new_account, (after(OPEN_ACCOUNT),)),
        undone(name, COMPENSATING, compensating, asked=polled(after(reading))),
        undone(name, PARKED, IN_REFUND, before(LIFT_FAULT), after(LIFT_FAULT), asked=polled(before(reading))),
        undone(name, RECONCILING, abandoned, before(WHICH_ARE_FINAL), after(WHICH_ARE_FINAL)),
    ]


def _ledger_api(name: str = "ledger-api") -> list[Cell]:
    """It only reads: for status-checker, for a cancel (is the record applied?), and for the reconciler's search."""
    reading = request(name, READ)
    return [
        Cell(name, BEFORE, new(), (before(reading),)),
        Cell(name, AFTER, new(), (after(reading),)),
        undone(name, COMPENSATING, compensating, asked=cancelled(before(reading))),
        undone(name, PARKED, IN_REFUND, after(reading), asked=cancelled(after(reading))),
        undone(name, RECONCILING, forgotten, before(WHICH_ARE_SHUT), after(WHICH_ARE_SHUT)),
    ]


def _account_worker(name: str = "account-worker") -> list[Cell]:
    return [
        Cell(name, BEFORE, new(), (before(WITHDRAW), before(DEPOSIT), before(RELEASE))),
        Cell(name, AFTER, new(), (after(WITHDRAW), after(DEPOSIT), after(RELEASE))),
        undone(
            name, COMPENSATING, new(scenario="ledger_rejects"),
            before(UNDO_DEPOSIT), after(UNDO_DEPOSIT), before(UNDO_WITHDRAW), after(UNDO_WITHDRAW),
        ),
        undone(name, PARKED, IN_REFUND, before(UNDO_WITHDRAW), after(UNDO_WITHDRAW), asked=IDLE),
        Cell(name, PARKED, IN_RELEASE, (before(RELEASE), after(RELEASE)), IDLE),
        undone(name, RECONCILING, abandoned, before(FINISH_DEPOSIT), after(FINISH_DEPOSIT), after(FINISH_WITHDRAW)),
        Cell(name, RECONCILING, abandoned_past_its_record, (before(FINISH_RELEASE), after(FINISH_RELEASE))),
    ]  # fmt: skip


def _ledger_worker(name: str = "ledger-worker") -> list[Cell]:
    """The reconciler shuts the door, or learns from its row that it comes too late, and goes on to `release`."""
    return [
        Cell(name, BEFORE, new(), (before(RECORD),)),
        Cell(name, AFTER, new(), (after(RECORD),)),
        undone(name, COMPENSATING, new(scenario="deposit_fails"), before(SHUT_THE_DOOR), after(SHUT_THE_DOOR)),
        undone(name, PARKED, AT_THE_DOOR, before(SHUT_THE_DOOR), after(SHUT_THE_DOOR), asked=IDLE),
        undone(name, RECONCILING, abandoned, before(FINISH_SHUT), after(FINISH_SHUT)),
        Cell(name, RECONCILING, abandoned_past_its_record, (before(FINISH_DOOR), after(FINISH_DOOR))),
    ]


def _workflow_worker(name: str = "workflow-worker") -> list[Cell]:
    """Its transaction is a workflow task: `after` it, the commands are computed and not sent."""
    return [
        Cell(name, BEFORE, new(), (before(task()),)),
        Cell(name, AFTER, recording, (after(task()),)),
        undone(name, COMPENSATING, compensating, before(task()), after(task())),
        undone(name, PARKED, AT_THE_DOOR, after(task()), asked=IDLE),
        undone(name, RECONCILING, abandoned, before(SEARCH), after(SEARCH), before(task(by="finish"))),
    ]


def _server(name: str) -> list[Cell]:
    """While the worker stands there. It goes on when the server is back, with connections that are dead."""
    return [
        Cell(name, BEFORE, new(), (before(DEPOSIT), before(RECORD))),
        Cell(name, AFTER, new(), (after(DEPOSIT), after(RECORD))),
        undone(name, COMPENSATING, new(scenario="ledger_rejects"), after(UNDO_DEPOSIT), before(UNDO_WITHDRAW)),
        undone(name, PARKED, IN_REFUND, before(UNDO_WITHDRAW), asked=IDLE),
        undone(name, RECONCILING, abandoned, after(FINISH_DEPOSIT)),
    ]


SYSTEMS: Final = (
    (*_account_worker(), *_workflow_worker(), *batch_cells_of_workers()),
    (
        *_gateway(), *_workflow_handler(), *_status_checker(), *_account_api(), *_ledger_api(), *_ledger_worker(),
        *_server("postgres"), *_server("temporal"), *batch_cells_of_others(),
    ),
)  # fmt: skip
"""On two running systems side by side, each one's cells in this order: about as long on both."""

CELLS: Final = tuple(chain(*SYSTEMS))
