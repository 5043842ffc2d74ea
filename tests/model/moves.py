"""Everything that can happen to one transfer next: each a move, with what it does and what would be wrong about it.

What only keeps something from happening isn't a move, since a move need not be taken: a database that is away (or
both), the 503 of rule 11, the 409 of rule 9. Nor is what only reads: `GET`, rule 14. A cancel that starts a run first
is a `POST` and a cancel.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from model import runs
from model.invariants import wrong_move
from model.participants import Executed, Participants, apply
from model.posts import Posts
from model.protocol import (
    BIT,
    FORWARD,
    NO_ROWS,
    REQUESTS,
    Accounts,
    Body,
    Bounds,
    Orders,
    Reconciling,
    Request,
    Run,
    Transfer,
    Writes,
    final_status,
)
from model.rules import NOTHING_DROPPED, Rule
from transfer_contract.steps import Compensation, Decision, Step


class Move(NamedTuple):
    """`is_progress`: the system does it by itself, with no fault and no client. `wrong` breaks an invariant."""

    told: tuple[str, ...]
    transfer: Transfer
    accounts: Accounts
    executed: Executed | None = None
    is_progress: bool = False
    wrong: str | None = None


class TransferModel:
    """One transfer among accounts that others may use too."""

    def __init__(self, orders: Orders, bounds: Bounds, dropped: frozenset[Rule] = NOTHING_DROPPED) -> None:
        self.participants = Participants(orders, dropped)
        self._posts = Posts(bounds, dropped)
        self._bounds = bounds
        self._dropped = dropped

    def moves(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        for move in self._all_moves(transfer, accounts):
            wrong = wrong_move(transfer, move.transfer, move.executed)
            yield move._replace(transfer=self._posts.looked_at(move.transfer), wrong=wrong)

    def _all_moves(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        yield from self._late(transfer, accounts)
        yield from self._client(transfer, accounts)
        if transfer.run is not None:
            yield from self._run(transfer, transfer.run, accounts)
            yield from self._operator(transfer, transfer.run, accounts)
        for number in range(len(transfer.reconcilers)):
            yield from self._reconciler(transfer, number, accounts)
        yield from self._reconciler_starts(transfer, accounts)
        if not self._dropped.isdisjoint(_HALVES):
            yield from self._halves(transfer, accounts)

    def _late(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        """A request that was sent at some time arrives, and nobody hears its answer."""
        for request in _requests(transfer.sent):
            for executed in self.participants.execute(transfer.rows, accounts, request):
                if executed.writes.rows:
                    after = transfer._replace(rows=executed.rows)
                    yield Move(("unheard", str(request), executed.answer), after, executed.accounts, executed)

    def _client(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        for body in self._bounds.bodies:
            if self._posts.start_a_run(transfer, body):
                rows = NO_ROWS if Rule.ID_FROM_THE_KEY in self._dropped else transfer.rows
                yield self._with_run(("POST", body), transfer._replace(rows=rows), accounts, runs.started(body), new=1)
        run = transfer.run
        if run is not None and run.awaits and run.awaits[0] in FORWARD:
            after = runs.aborting(run, self._dropped)
            yield self._with_run(("cancelled, or attempts used up", *run.awaits), transfer, accounts, after)
        elif run is not None and run.awaits and Rule.SHIELDED in self._dropped:
            yield self._with_run(("cancelled", *run.awaits), transfer, accounts, runs.cut_short(run))

    def _run(self, transfer: Transfer, run: Run, accounts: Accounts) -> Iterator[Move]:
        for name in run.awaits:
            for executed in self.participants.execute(transfer.rows, accounts, Request(name, run.body)):
                after = runs.after(run, name, executed.answer, self._dropped)
                if after is None:
                    yield Move(("a guard fires", name), transfer, accounts, executed)
                    continue
                told = ("answered", name, executed.answer)
                there = transfer._replace(rows=executed.rows)
                yield self._with_run(told, there, executed.accounts, after, executed=executed)
                if Rule.DURABLE in self._dropped:
                    yield self._with_run((*told, "and lost"), transfer, accounts, after)
        if run.awaits and (after := runs.parked(run, self._dropped)):
            yield self._with_run(("parked", run.awaits[-1]), transfer, accounts, after)
        if run.awaits and run.awaits[-1] not in FORWARD and Rule.UNLIMITED in self._dropped:
            yield self._with_run(("given up", run.awaits[-1]), transfer, accounts, runs.given_up(run, self._dropped))

    def _operator(self, transfer: Transfer, run: Run, accounts: Accounts) -> Iterator[Move]:
        """And time, which makes Temporal forget a closed run."""
        if run.is_running:
            yield self._with_run(("terminated",), transfer, accounts, runs.terminated(run))
        elif transfer.rows.body or self._bounds.deletion or Rule.RETENTION in self._dropped:
            yield Move(("forgotten",), transfer._replace(run=None, looked=False), accounts)
        if self._bounds.resets and transfer.runs < self._bounds.runs:
            for step in range(min(run.heard + 1, len(FORWARD))):
                yield self._with_run(("reset to", FORWARD[step]), transfer, accounts, runs.reset(run, step), new=1)

    def _with_run(
        self,
        told: tuple[str, ...],
        transfer: Transfer,
        accounts: Accounts,
        run: Run,
        *,
        executed: Executed | None = None,
        new: int = 0,
    ) -> Move:
        sent = transfer.sent | _bits(run.body, run.awaits)
        after = transfer._replace(run=run, sent=sent, runs=transfer.runs + new)
        return Move(told, after, accounts, executed, is_progress=executed is not None)

    def _reconciler_starts(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        """Whether a run is running is politeness, not safety: it may start anyway."""
        body = self._found_by_the_reconciler(transfer)
        if len(transfer.reconcilers) == self._bounds.reconcilers or body is None:
            return
        first: Step | Compensation = Compensation.RECORD
        if Rule.RECONCILER_DOOR in self._dropped:
            first = Step.RELEASE if transfer.rows.record is Decision.APPLIED else Compensation.DEPOSIT
        yield self._reconciling(("begins",), transfer, accounts, (*transfer.reconcilers, Reconciling(body, first)))

    def _found_by_the_reconciler(self, transfer: Transfer) -> Body | None:
        """By the accounts rows, by Temporal, by the ledger's tombstone: the request that it is finished with."""
        rows, run = transfer.rows, transfer.run
        if final_status(rows) is not None or Rule.RECONCILER in self._dropped:
            return None
        if rows.body is None and Rule.RECONCILER_LOOKS_AT_TEMPORAL in self._dropped:
            return None
        if rows.body is None and run is not None and run.is_running and not self._bounds.stuck:
            return None
        return rows.body or (run.body if run else rows.record_body)

    def _reconciler(self, transfer: Transfer, number: int, accounts: Accounts) -> Iterator[Move]:
        body, awaited = transfer.reconcilers[number]
        others = (*transfer.reconcilers[:number], *transfer.reconcilers[number + 1 :])
        yield self._reconciling(("is killed",), transfer, accounts, others, is_progress=False)
        for executed in self.participants.execute(transfer.rows, accounts, Request(awaited, body)):
            there = transfer._replace(rows=executed.rows)
            following = runs.reconciled(awaited, executed.answer)
            reconcilers = (*others, *(Reconciling(body, name) for name in following))
            told = ("hears", awaited, executed.answer)
            yield self._reconciling(told, there, executed.accounts, reconcilers, executed=executed)
        if awaited is Compensation.DEPOSIT:  # it still arrives at any time, for it was sent
            begun = (*others, Reconciling(body, Compensation.WITHDRAW))
            yield self._reconciling(("parked", awaited), transfer, accounts, begun, is_progress=False)

    def _reconciling(
        self,
        told: tuple[str, ...],
        transfer: Transfer,
        accounts: Accounts,
        reconcilers: tuple[Reconciling, ...],
        *,
        executed: Executed | None = None,
        is_progress: bool = True,
    ) -> Move:
        """In the order of their names: which of two reconcilers it is makes no difference."""
        sent = transfer.sent
        for body, awaited in reconcilers:
            sent |= BIT[Request(awaited, body)]
        after = transfer._replace(reconcilers=tuple(sorted(reconcilers)), sent=sent)
        return Move(("reconciler", *told), after, accounts, executed, is_progress)

    def _halves(self, transfer: Transfer, accounts: Accounts) -> Iterator[Move]:
        """Only with rule 1 dropped: one request at a time is done by halves."""
        if half := transfer.half_done:
            rows, there = apply(half, transfer.rows, accounts)
            yield Move(("the second half",), transfer._replace(rows=rows, half_done=None), there)
            return
        for request in _requests(transfer.sent):
            for executed in self.participants.execute(transfer.rows, accounts, request):
                first, second = Writes(), executed.writes
                if Rule.ONE_TRANSACTION in self._dropped:
                    first, second = Writes(executed.writes.rows), executed.writes._replace(rows=())
                if not (second.rows or second.move_money):
                    continue
                rows, there = apply(first, transfer.rows, accounts)
                yield Move(("the first half of", str(request)), transfer._replace(rows=rows, half_done=second), there)


_HALVES: Final = frozenset({Rule.LOCKED, Rule.ONE_TRANSACTION})


@cache
def _requests(sent: int) -> tuple[Request, ...]:
    return tuple(request for request in REQUESTS if sent & BIT[request])


@cache
def _bits(body: Body, names: tuple[Step | Compensation, ...]) -> int:
    return sum(BIT[Request(name, body)] for name in names)
