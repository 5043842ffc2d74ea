"""The participants in the model: "What each request does to its row" in docs/protocol.md, one function a line."""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from model.protocol import (
    Accounts,
    Answer,
    Body,
    Order,
    Orders,
    Problem,
    Request,
    Rows,
    Writes,
    final_status,
)
from model.rules import NOTHING_DROPPED, Rule
from transfer_contract.steps import Compensation, Decision, Step

APPLIED, REJECTED, CANCELLED, COMPENSATED = Decision


class Decided(NamedTuple):
    answer: Answer
    writes: Writes = Writes()


class Executed(NamedTuple):
    """A request's whole effect, in one transaction."""

    request: Request
    answer: Answer
    writes: Writes
    rows: Rows
    accounts: Accounts


class Participants:
    """Both participants as one transfer's requests meet them. `orders` says what each of its bodies asks for."""

    def __init__(self, orders: Orders, dropped: frozenset[Rule] = NOTHING_DROPPED) -> None:
        self._orders = orders
        self._dropped = dropped
        self._executed: dict[tuple[Rows, Accounts, Request], tuple[Executed, ...]] = {}

    def execute(self, rows: Rows, accounts: Accounts, request: Request) -> tuple[Executed, ...]:
        """Every effect that the request may have: two only where the ledger may refuse; none where it only fails."""
        key = (rows, accounts, request)
        if (found := self._executed.get(key)) is None:
            found = self._executed[key] = tuple(
                Executed(request, decided.answer, decided.writes, *apply(decided.writes, rows, accounts))
                for decided in self._decide(rows, accounts, request)
            )
        return found

    def _decide(self, rows: Rows, accounts: Accounts, request: Request) -> list[Decided]:
        asked = self._orders[request.body]
        if Rule.STORABLE in self._dropped and None in (accounts[asked.source], accounts[asked.destination]):
            return []
        if request.name is Step.RECORD:
            return self._record(rows, request.body)
        if request.name is Compensation.RECORD:
            return [self._record_compensation(rows, request.body)]
        stored = rows.body or request.body
        order = asked if Rule.STORED_REQUEST in self._dropped else self._orders[stored]
        decided = _ACCOUNT_STEPS[request.name](self, rows, accounts, order, request)
        if rows.body is None and decided.writes.rows:
            decided = decided._replace(writes=_storing(decided.writes, "body", request.body))
        return [decided]

    def _withdraw(self, rows: Rows, accounts: Accounts, order: Order, request: Request) -> Decided:
        if rows.body not in (None, request.body) and Rule.FINGERPRINT not in self._dropped:
            return Decided(Problem.KEY_REUSED)
        again = rows.withdraw is APPLIED and Rule.FIRST_WRITER_WINS in self._dropped
        if rows.withdraw is not None and not again:
            return Decided(rows.withdraw)
        source = accounts[order.source]
        if source is None or not source.is_open or source.balance < order.amount:
            return _written(withdraw=REJECTED)
        return _written(withdraw=APPLIED, account=order.source, balance=-order.amount)

    def _deposit(self, rows: Rows, accounts: Accounts, order: Order, request: Request) -> Decided:
        if rows.deposit is not None:
            return Decided(rows.deposit)
        if rows.withdraw is not APPLIED and Rule.DEPOSIT_GUARD not in self._dropped:
            return _written(deposit=CANCELLED)
        destination = accounts[order.destination]
        if destination is None or not destination.is_open:
            return _written(deposit=REJECTED)
        return self._credited(_written(deposit=APPLIED, account=order.destination, held=order.amount))

    def _release(self, rows: Rows, accounts: Accounts, order: Order, request: Request) -> Decided:
        if rows.deposit is not APPLIED:
            return Decided(Problem.GUARD)
        if rows.release is not None:
            return Decided(rows.release)
        if Rule.HELD in self._dropped:
            return _written(release=APPLIED)
        return _written(release=APPLIED, account=order.destination, held=-order.amount, balance=order.amount)

    def _deposit_compensation(self, rows: Rows, accounts: Accounts, order: Order, request: Request) -> Decided:
        if rows.release is APPLIED:
            return Decided(Problem.GUARD)
        if rows.deposit is APPLIED:
            return self._credited(_written(deposit=COMPENSATED, account=order.destination, held=-order.amount))
        return Decided(rows.deposit) if rows.deposit else self._tombstone("deposit")

    def _withdraw_compensation(self, rows: Rows, accounts: Accounts, order: Order, request: Request) -> Decided:
        if rows.release is APPLIED:
            return Decided(Problem.GUARD)
        if rows.withdraw is APPLIED:
            return _written(withdraw=COMPENSATED, account=order.source, balance=order.amount)
        return Decided(rows.withdraw) if rows.withdraw else self._tombstone("withdraw")

    def _credited(self, decided: Decided) -> Decided:
        if Rule.HELD not in self._dropped:
            return decided
        return decided._replace(writes=decided.writes._replace(balance=decided.writes.held, held=0))

    def _record(self, rows: Rows, body: Body) -> list[Decided]:
        if rows.record is not None:
            return [Decided(rows.record)]
        written = (_written(record=APPLIED), _written(record=REJECTED))
        return [Decided(answer, _storing(writes, "record_body", body)) for answer, writes in written]

    def _record_compensation(self, rows: Rows, body: Body) -> Decided:
        if rows.record is APPLIED and Rule.COMMIT_POINT in self._dropped:
            return _written(record=COMPENSATED)
        if rows.record is not None:
            return Decided(rows.record)
        answer, writes = self._tombstone("record")
        return Decided(answer, _storing(writes, "record_body", body) if writes.rows else writes)

    def _tombstone(self, step: str) -> Decided:
        if Rule.TOMBSTONE in self._dropped:
            return Decided(CANCELLED)
        return Decided(CANCELLED, Writes(((step, CANCELLED),)))


_AccountStep = Callable[[Participants, Rows, Accounts, Order, Request], Decided]
_ACCOUNT_STEPS: Final[dict[str, _AccountStep]] = {
    Step.WITHDRAW: Participants._withdraw,
    Step.DEPOSIT: Participants._deposit,
    Step.RELEASE: Participants._release,
    Compensation.DEPOSIT: Participants._deposit_compensation,
    Compensation.WITHDRAW: Participants._withdraw_compensation,
}


def apply(writes: Writes, rows: Rows, accounts: Accounts) -> tuple[Rows, Accounts]:
    if writes.rows:
        columns: dict[str, Any] = dict(writes.rows)
        rows = rows._replace(**columns)
    account = accounts[writes.account]
    if writes.move_money and account is not None:
        moved = account._replace(balance=account.balance + writes.balance, held=account.held + writes.held)
        accounts = (*accounts[: writes.account], moved, *accounts[writes.account + 1 :])
    return rows, accounts


def close(
    number: int, accounts: Accounts, rows: Iterable[tuple[Rows, Orders]], dropped: frozenset[Rule]
) -> Accounts | None:
    """Rule 12. None where the account must stay open."""
    account = accounts[number]
    if account is None or not account.is_open:
        return None
    if (account.balance or account.held) and Rule.CLOSED_EMPTY not in dropped:
        return None
    if Rule.CLOSED_AT_REST not in dropped and any(_is_in_flight(number, *its_rows) for its_rows in rows):
        return None
    return (*accounts[:number], account._replace(is_open=False), *accounts[number + 1 :])


def _is_in_flight(number: int, rows: Rows, orders: Orders) -> bool:
    from_it = rows.body is not None and orders[rows.body].source == number
    return from_it and final_status(rows) is None and rows.withdraw is APPLIED and rows.release is not APPLIED


def _written(*, account: int = 0, balance: int = 0, held: int = 0, **row: Decision) -> Decided:
    [(step, decision)] = row.items()
    return Decided(decision, Writes(((step, decision),), account, balance, held))


def _storing(writes: Writes, column: str, body: Body) -> Writes:
    return writes._replace(rows=(*writes.rows, (column, body)))
