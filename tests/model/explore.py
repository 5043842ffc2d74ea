"""Every state that can be reached, breadth first: so the first counterexample is a shortest one."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from model.invariants import STUCK, is_an_end, wrong_money, wrong_state
from model.moves import Move, TransferModel
from model.participants import close
from model.protocol import Accounts, Plan, Rows, Transfer, World
from model.rules import NOTHING_DROPPED, Rule

_NAMES: Final = ("first transfer", "second transfer")


class Counterexample(NamedTuple):
    wrong: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        lines = (f"  {number:2}. {told}" for number, told in enumerate(self.trace, 1))
        return "\n".join([self.wrong, *lines])


class Exploration(NamedTuple):
    states: int
    counterexample: Counterexample | None = None


class Next(NamedTuple):
    """One transfer's move, or an account's closing: `closed` is its number."""

    world: World
    transfer: int = 0
    move: Move | None = None
    closed: int | None = None

    def __str__(self) -> str:
        if self.move is None:
            return f"account {self.closed} is closed"
        which = f"{_NAMES[self.transfer]}: " if len(self.world.transfers) > 1 else ""
        return which + " ".join(self.move.told)


class Model:
    """The transfers of a plan, side by side on the same accounts."""

    def __init__(self, plan: Plan, dropped: frozenset[Rule] = NOTHING_DROPPED) -> None:
        self.plan = plan
        self.dropped = dropped
        self.transfers = [
            TransferModel(orders, plan.bounds_of(number), dropped) for number, orders in enumerate(plan.orders)
        ]
        self._moves: list[dict[tuple[Transfer, Accounts], list[Move]]] = [{} for _ in plan.orders]
        self._wrong_money: dict[tuple[Accounts, tuple[Rows, ...]], str | None] = {}

    @property
    def beginning(self) -> World:
        return World(self.plan.accounts, tuple(Transfer() for _ in self.plan.orders))

    def moves(self, number: int, world: World) -> list[Move]:
        """Kept: with two transfers, each meets the same accounts in many states of the other."""
        transfer, accounts = world.transfers[number], world.accounts
        if len(self.transfers) == 1:
            return list(self.transfers[number].moves(transfer, accounts))
        kept = self._moves[number]
        if (found := kept.get((transfer, accounts))) is None:
            found = kept[transfer, accounts] = list(self.transfers[number].moves(transfer, accounts))
        return found

    def nexts(self, world: World) -> Iterator[Next]:
        for number in range(len(world.transfers)):
            before, after = world.transfers[:number], world.transfers[number + 1 :]
            for move in self.moves(number, world):
                yield Next(World(move.accounts, (*before, move.transfer, *after)), number, move)
        if self.plan.bounds.closing:
            for number in range(len(world.accounts)):
                if (accounts := self.closed(world, number)) is not None:
                    yield Next(world._replace(accounts=accounts), closed=number)

    def closed(self, world: World, number: int) -> Accounts | None:
        rows = ((transfer.rows, orders) for transfer, orders in zip(world.transfers, self.plan.orders, strict=True))
        return close(number, world.accounts, rows, self.dropped)

    def wrong(self, world: World) -> str | None:
        key = (world.accounts, tuple(transfer.rows for transfer in world.transfers))
        if key not in self._wrong_money:
            self._wrong_money[key] = wrong_money(*key, self.plan, self.dropped)
        return self._wrong_money[key] or wrong_state(world, self.plan.bounds, self.dropped)


class Explorer:
    """Stops at the first counterexample. Whether an end can be reached is judged when all states are known."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._worlds = [model.beginning]
        self._ids = {model.beginning: 0}
        self._parents = [0]
        self._onward: list[tuple[int, ...]] = []

    def explore(self) -> Exploration:
        for number, world in enumerate(self._worlds):  # it grows meanwhile
            onward = []
            for following in self._model.nexts(world):
                known = self._ids.get(following.world)
                if known is None:
                    known = self._add(following.world, number)
                    wrong = self._model.wrong(following.world)
                    if wrong:
                        return self._found(wrong, number, following)
                if following.move is not None:
                    if following.move.wrong:
                        return self._found(following.move.wrong, number, following)
                    if following.move.is_progress:
                        onward.append(known)
            self._onward.append(tuple(onward))
        return self._judge_ends()

    def _add(self, world: World, parent: int) -> int:
        number = self._ids[world] = len(self._worlds)
        self._worlds.append(world)
        self._parents.append(parent)
        return number

    def _judge_ends(self) -> Exploration:
        """Backwards until nothing changes: a state is good that is an end or leads to a good one."""
        good = bytearray(is_an_end(world, self._model.plan.bounds) for world in self._worlds)
        changed = True
        while changed:
            changed = False
            for number in range(len(good) - 1, -1, -1):
                if not good[number] and any(good[onward] for onward in self._onward[number]):
                    good[number] = changed = True
        if all(good):
            return Exploration(len(good))
        return Exploration(len(good), Counterexample(STUCK, self._trace(good.index(0))))

    def _found(self, wrong: str, number: int, last: Next) -> Exploration:
        return Exploration(len(self._worlds), Counterexample(wrong, (*self._trace(number), str(last))))

    def _trace(self, number: int) -> tuple[str, ...]:
        trace: list[str] = []
        while number:
            parent = self._parents[number]
            world = self._worlds[number]
            trace.append(next(str(n) for n in self._model.nexts(self._worlds[parent]) if n.world == world))
            number = parent
        return tuple(reversed(trace))
