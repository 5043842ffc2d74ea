"""What must be so before the first chapter: everything alive, demo faults on, two accounts at rest, enough money."""

import time
from collections.abc import Callable

from demo_errors import DemoError
from gateway_reads import GatewayReads
from snapshots import CURRENCY, is_enough
from story import AMOUNT
from worlds import World

ACCOUNTS = ("alice", "bob")
_UNDER_WAY = ("accepted", "running", "compensating")
_WORKERS_SECONDS = 15.0
_REST_SECONDS = 90.0
_LOOK_SECONDS = 0.5
_NO_FAULTS = (
    "the demo needs the scenarios that inject faults, and they are switched off here (`make demo-free` or "
    "DEMO_FAULTS): `make down`, then `make up`"
)


def look_around(world: World, gateway: GatewayReads, tell: Callable[[str], None]) -> tuple[str, str]:
    """Sender and receiver. Raises DemoError for what is in the way."""
    if not gateway.get("/page-settings")["demo_faults"]:
        raise DemoError(_NO_FAULTS)
    _require_workers(world, gateway)
    _require_accounts(gateway)
    _wait_until_at_rest(gateway, tell)
    return _sender_and_receiver(gateway)


def _require_workers(world: World, gateway: GatewayReads) -> None:
    deadline = time.monotonic() + _WORKERS_SECONDS
    while dead := _dead_workers(gateway):
        if time.monotonic() > deadline:
            raise DemoError(f"{dead[0]} isn't running: `{world.start_command(dead[0])}`, then again")
        time.sleep(_LOOK_SECONDS)


def _dead_workers(gateway: GatewayReads) -> list[str]:
    return [group["process"] for group in gateway.get("/workers")["items"] if not group["workers"]]


def _require_accounts(gateway: GatewayReads) -> None:
    for account_id in ACCOUNTS:
        account = gateway.find(f"/accounts/{account_id}")
        if account is None or (account["status"], account["currency"]) != ("open", CURRENCY):
            raise DemoError(f"the demo account {account_id} is missing or closed: `make reset` starts afresh")


def _wait_until_at_rest(gateway: GatewayReads, tell: Callable[[str], None]) -> None:
    """An earlier demo that was interrupted may still be undoing its last transfer."""
    deadline = time.monotonic() + _REST_SECONDS
    told = False
    while under_way := _under_way(gateway):
        if time.monotonic() > deadline:
            raise DemoError(f"transfer {under_way[0]} of {' or '.join(ACCOUNTS)} doesn't end: try again when it has")
        if not told:
            tell(f"An earlier transfer of {' or '.join(ACCOUNTS)} is still under way: waiting for its end.")
            told = True
        time.sleep(_LOOK_SECONDS)


def _under_way(gateway: GatewayReads) -> list[str]:
    pages = [gateway.get("/transfers", status=status, account=account) for status in _UNDER_WAY for account in ACCOUNTS]
    return [transfer["id"] for page in pages for transfer in page["items"]]


def _sender_and_receiver(gateway: GatewayReads) -> tuple[str, str]:
    """The other way round where the first has too little: so the demo can be repeated for ever."""
    first, second = ACCOUNTS
    for sender, receiver in ((first, second), (second, first)):
        if is_enough(gateway.get(f"/accounts/{sender}")["balance"], AMOUNT):
            return sender, receiver
    raise DemoError(f"neither {first} nor {second} has {AMOUNT} {CURRENCY} left: `make reset` starts afresh")
