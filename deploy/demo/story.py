"""One transfer, told while it happens. What isn't as told ends it with NotAsToldError."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from curl import Curl
from demo_errors import Json, NotAsToldError, check
from gateway_reads import GatewayReads
from interrupts import deferred_interrupts
from rich.text import Text
from screen import Screen
from snapshots import CURRENCY, Snapshot, difference, take_snapshot, totals_of
from transfer_view import transfer_view
from worlds import World, run_command

AMOUNT = "10.00"
FINAL = frozenset({"completed", "rejected", "compensated"})


@dataclass(frozen=True)
class Moment:
    """Something that a transfer comes to, and how long that may take on a busy machine."""

    told: str
    has_come: Callable[[Json], bool]
    within_seconds: float


@dataclass(frozen=True)
class Stage:
    world: World
    gateway: GatewayReads
    curl: Curl
    screen: Screen
    source: str
    destination: str


class Story:
    def __init__(self, stage: Stage, *, reference: str) -> None:
        self._stage = stage
        self._reference = reference
        self._snapshots: dict[str, Snapshot] = {}
        self.scenario: str | None = None
        self.transfer: Json | None = None

    def send(self, scenario: str | None = None) -> None:
        self.look_at_money("before")
        body = {
            "source_account": self._stage.source,
            "destination_account": self._stage.destination,
            "amount": AMOUNT,
            "currency": CURRENCY,
            "reference": self._reference,
        }
        self.scenario = scenario
        key = f"demo-{uuid4().hex[:12]}"
        self.transfer = self._stage.curl.post(
            "/transfers", body | ({"scenario": scenario} if scenario else {}), key=key
        )
        self._stage.screen.answer(_excerpt(self.transfer, "id", "status"))
        self.show_links()

    def until(self, moment: Moment) -> float:
        """Shows the transfer live until then; answers how many seconds that took."""
        started = time.monotonic()
        with self._stage.screen.live(self._view):
            for transfer in self._stage.gateway.changes(self.known["id"], within_seconds=moment.within_seconds):
                self.transfer = transfer
                if moment.has_come(transfer):
                    return time.monotonic() - started
                if transfer["status"] in FINAL:
                    break
        seen = f"{self.known['status']}, {_told_steps(self.known)}"
        raise NotAsToldError(moment.told, expected=f"within {moment.within_seconds:.0f} s", seen=seen)

    @property
    def known(self) -> Json:
        if self.transfer is None:
            raise RuntimeError("nothing was sent yet")
        return self.transfer

    def ask(self, command: str) -> None:
        answer = self._stage.curl.post(f"/transfers/{self.known['id']}/{command}")
        self._stage.screen.answer(_excerpt(answer, "id", "status"))

    def look(self, *fields: str) -> Json:
        """As a reader would, by curl."""
        answer = self._stage.curl.get(f"/transfers/{self.known['id']}")
        self._stage.screen.answer(_excerpt(answer, *fields))
        self._stage.screen.gap()
        return answer

    def wait_for_key(self, what_comes: str) -> None:
        """Time to look around."""
        self._stage.screen.wait_for_key(what_comes)

    @contextmanager
    def without(self, process: str) -> Iterator[None]:
        """Kills it, and starts it again in the end, whatever happens meanwhile."""
        world = self._stage.world
        try:
            self._run(world.kill_command(process))
            yield
        finally:
            self._run(world.start_command(process))

    def _run(self, line: str) -> None:
        """To its end, however impatient the reader: half a kill or no start would be left."""
        with deferred_interrupts():
            self._stage.screen.command(line)
            run_command(line)

    def look_at_money(self, label: str) -> None:
        accounts = (self._stage.source, self._stage.destination)
        self._snapshots[label] = take_snapshot(self._stage.gateway, accounts)

    def show_money(self) -> None:
        self.look_at_money("after")
        self._stage.screen.money(self._snapshots)

    def check(self, told: str, *, expected: object, seen: object) -> None:
        self._stage.screen.kept(check(told, expected=expected, seen=seen))

    def moved(self, *, until: str = "after") -> tuple[str, str, str]:
        """By how much since before: the source's balance, the destination's balance, the destination's held credit."""
        before, after = self._snapshots["before"], self._snapshots[until]
        source, destination = self._stage.source, self._stage.destination
        return (
            difference(before.balances[source], after.balances[source]),
            difference(before.balances[destination], after.balances[destination]),
            difference(before.held[destination], after.held[destination]),
        )

    def reconcile(self) -> None:
        answer = self._stage.curl.get("/reconciliation")
        totals = totals_of(answer)
        self._stage.screen.answer(_excerpt(answer, "balanced") | _excerpt(totals, "held", "in_transit", "sum"))
        self._stage.screen.gap()
        told = "accounts and ledger agree; with the treasury, all accounts add up to zero"
        seen = (answer["balanced"], totals["sum"], answer["discrepancies"])
        self.check(told, expected=(True, "0.00", []), seen=seen)

    def show_links(self) -> None:
        """To watch this transfer elsewhere: our page, and Temporal's view of its workflow."""
        world, transfer_id = self._stage.world, self.known["id"]
        self._stage.screen.gap()
        self._stage.screen.link("Page", f"{world.gateway_url}/#transfer={transfer_id}")
        self._stage.screen.link(
            "Temporal UI", f"{world.temporal_ui_url}/namespaces/default/workflows/transfer-{transfer_id}"
        )

    def _view(self) -> Text:
        return transfer_view(self.known, now=datetime.now(UTC), width=self._stage.screen.width)


def step(transfer: Json, name: str) -> Json:
    """An empty one where the transfer doesn't show it."""
    return next((step for step in transfer["steps"] if step["name"] == name), {})


def compensations(transfer: Json) -> list[str]:
    return [step["name"] for step in transfer["steps"] if step["kind"] == "compensation"]


def _excerpt(answer: Json, *names: str) -> Json:
    return {name: answer[name] for name in names}


def _told_steps(transfer: Json) -> str:
    return ", ".join(f"{step['name']} {step['status']}" for step in transfer["steps"] if step["status"] != "pending")
