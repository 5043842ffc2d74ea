"""The scenarios, each played once on the running system and watched from its POST to its end.

They take up to 40 s, so all of them run side by side, and beside the tests that come before those that look at them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import httpx
from system.public_api import Json, PublicApi, is_final, new_transfer, step_is

AMOUNT: Final = "10.00"
_LONGEST_SECONDS: Final = 150


@dataclass
class Journey:
    """Every change that a client saw, the last one being the end, and what it was answered on the way."""

    source: str
    destination: str
    views: list[Json] = field(default_factory=list)
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    money_on_the_way: tuple[str, str] | None = None
    spent_held_credit: Json | None = None

    @property
    def transfer_id(self) -> str:
        return str(self.views[0]["id"])

    @property
    def final(self) -> Json:
        return self.views[-1]


Condition = Callable[[Json], bool]
Act = Callable[[PublicApi, Journey], Awaitable[None]]


def ask(command: str, remember_as: str | None = None) -> Act:
    async def act(api: PublicApi, journey: Journey) -> None:
        answer = await api.http.post(f"/transfers/{journey.transfer_id}/{command}")
        journey.answers[remember_as or command] = answer

    return act


async def spend_what_is_held(api: PublicApi, journey: Journey) -> None:
    journey.money_on_the_way = await api.money(journey.destination)
    journey.spent_held_credit = await api.final(await api.start_transfer(journey.destination, journey.source))


@dataclass(frozen=True)
class Plan:
    scenario: str
    acts: tuple[tuple[Condition, Act], ...] = ()
    """Each is done once, as soon as its condition holds, in this order."""


def _needs_attention(transfer: Json) -> bool:
    return bool(transfer["status"] == "needs_attention")


PLANS: Final[Mapping[str, Plan]] = {
    "ledger_rejects": Plan("ledger_rejects"),
    "ledger_fails_twice": Plan("ledger_fails_twice"),
    "deposit_fails": Plan("deposit_fails"),
    "slow": Plan(
        "slow",
        (
            (step_is("withdraw", "running"), ask("retry")),
            (step_is("record", "running"), spend_what_is_held),
            (step_is("release", "running"), ask("cancel")),
        ),
    ),
    "slow, cancelled during withdraw": Plan("slow", ((step_is("withdraw", "running"), ask("cancel")),)),
    "slow, cancelled during deposit": Plan("slow", ((step_is("deposit", "running"), ask("cancel")),)),
    "slow_compensation": Plan("slow_compensation"),
    "compensation_fails": Plan(
        "compensation_fails",
        (
            (step_is("withdraw_compensation", "retrying"), ask("retry", "retry too early")),
            (_needs_attention, ask("retry")),
        ),
    ),
}


class Journeys:
    def __init__(self, api: PublicApi) -> None:
        self._api = api
        self._tasks: dict[str, asyncio.Task[Journey]] = {}

    def start(self) -> None:
        self._tasks = {name: asyncio.create_task(_travel(self._api, plan)) for name, plan in PLANS.items()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def of(self, name: str) -> Journey:
        return await self._tasks[name]


async def _travel(api: PublicApi, plan: Plan) -> Journey:
    journey = Journey(*await api.open_pair("100.00"))
    body = new_transfer(journey.source, journey.destination, amount=AMOUNT, scenario=plan.scenario)
    response = await api.post_transfer(body)
    assert response.status_code == 202, response.text
    journey.views.append(response.json())
    acts = list(plan.acts)
    async with asyncio.timeout(_LONGEST_SECONDS):
        while not is_final(journey.final):
            if acts and acts[0][0](journey.final):
                await acts.pop(0)[1](api, journey)
            journey.views.append(await _next_change(api, journey.final))
    journey.answers |= {
        f"{command} at the end": await api.http.post(f"/transfers/{journey.transfer_id}/{command}")
        for command in ("cancel", "retry")
    }
    return journey


async def _next_change(api: PublicApi, known: Json) -> Json:
    return await api.until(known["id"], lambda transfer: transfer != known)
