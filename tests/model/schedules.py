"""A walk through the model, each of its requests replayed on the participants' own code."""

from collections.abc import Iterable
from random import Random
from typing import Final

from model.explore import Model, Next
from model.participants import Executed
from model.protocol import (
    BIT,
    REQUESTS,
    Account,
    Body,
    Bounds,
    Order,
    Orders,
    Plan,
    Transfer,
    World,
    final_status,
)
from model.real_participants import RealParticipants, Seen
from transfer_contract.steps import Decision

MOVES: Final = 30
_DUPLICATE: Final = 0.1
_CLOSE: Final = 0.05
_WEIGHTS: Final = {"unheard": 3, "answered": 8, "reconciler": 3, "parked": 4}
"""By the first word of what is told of a move; 1 for the others, of which some end a transfer's story early."""


def random_plan(random: Random) -> Plan:
    """Two transfers among three accounts, each key used for two requests, and everything may happen."""
    return Plan(
        accounts=tuple(random.choice([None, Account(1), *[Account(2)] * 3, *[Account(3)] * 3]) for _ in range(3)),
        orders=(_random_orders(random), _random_orders(random)),
        bounds=Bounds(bodies=tuple(Body), deletion=True),
    )


def _random_orders(random: Random) -> Orders:
    source, destination, elsewhere = random.sample(range(3), 3)
    first = Order(source, destination, random.randint(1, 2))
    return {Body.FIRST: first, Body.OTHER: random.choice([first, Order(source, elsewhere, 1)])}


class Schedule:
    """`told` is what has happened so far, for whoever must understand a failure."""

    def __init__(self, plan: Plan, real: RealParticipants, random: Random) -> None:
        self._model = Model(plan)
        self._plan = plan
        self._real = real
        self._random = random
        self._world = self._model.beginning
        self.told = [str(plan)]
        self.requests = 0

    def play(self) -> None:
        for _ in range(MOVES):
            chance = self._random.random()
            if chance < _CLOSE:
                self._try_to_close(self._random.randrange(len(self._world.accounts)))
            elif chance < _CLOSE + _DUPLICATE:
                self._arrive_unheard(self._random.randrange(len(self._world.transfers)))
            elif possible := list(self._model.nexts(self._world)):
                weights = [_WEIGHTS.get(n.move.told[0], 1) if n.move else 1 for n in possible]
                [chosen] = self._random.choices(possible, weights)
                self.follow([chosen])

    def follow(self, way: Iterable[Next]) -> None:
        for following in way:
            self.told.append(str(following))
            if following.move is None or following.move.executed is not None:
                self._ask(following)
                self._compare_with(following.world)
            self._world = following.world
            wrong = self._model.wrong(self._world)
            assert wrong is None, wrong

    def _ask(self, following: Next) -> None:
        if following.closed is not None:
            assert self._real.close(following.closed)
        elif following.move is not None and following.move.executed is not None:
            self._execute(following.transfer, following.move.executed)

    def _arrive_unheard(self, number: int) -> None:
        """A late attempt or a duplicate, which most often finds its row there already."""
        transfer = self._world.transfers[number]
        sent = [request for request in REQUESTS if transfer.sent & BIT[request]]
        if not sent:
            return
        participants = self._model.transfers[number].participants
        executed = self._random.choice(
            participants.execute(transfer.rows, self._world.accounts, self._random.choice(sent))
        )
        self.told.append(f"transfer {number}: unheard {executed.request} {executed.answer}")
        self._execute(number, executed)
        transfers = list(self._world.transfers)
        transfers[number] = transfer._replace(rows=executed.rows)
        self._compare_with(World(executed.accounts, tuple(transfers)))

    def _try_to_close(self, number: int) -> None:
        account = self._world.accounts[number]
        accounts = self._model.closed(self._world, number)
        self.told.append(f"account {number} is {'closed' if accounts else 'to be closed'}")
        is_closed = account is not None and not account.is_open
        assert self._real.close(number) == (accounts is not None or is_closed)
        self._compare_with(self._world._replace(accounts=accounts or self._world.accounts))

    def _execute(self, number: int, executed: Executed) -> None:
        self.requests += 1
        answer = self._real.execute(number, executed.request, refused=executed.answer is Decision.REJECTED)
        assert answer == executed.answer

    def _compare_with(self, world: World) -> None:
        self._world = world
        assert self._real.seen() == Seen(
            accounts=world.accounts,
            rows=tuple(transfer.rows for transfer in world.transfers),
            final_statuses=tuple(final_status(transfer.rows) for transfer in world.transfers),
            credited=tuple(map(_credited, world.transfers, self._plan.orders)),
        )


def _credited(transfer: Transfer, orders: Orders) -> int:
    body = transfer.rows.record_body
    return orders[body].amount if body and transfer.rows.record is Decision.APPLIED else 0
