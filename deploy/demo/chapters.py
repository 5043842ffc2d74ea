"""The five chapters: what each tells, plays and checks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from demo_errors import Json
from story import AMOUNT, FINAL, Moment, Story, compensations, step

_UNDONE = ("0.00", "0.00", "0.00")
_MOVED = (f"-{AMOUNT}", f"+{AMOUNT}", "0.00")
_OWED = (f"-{AMOUNT}", "0.00", "0.00")
_PARKED_AFTER = 5
_TWO = ["deposit_compensation", "withdraw_compensation"]
_ACCOUNT_WORKER = "account-worker"


@dataclass(frozen=True)
class Chapter:
    title: str
    text: str
    play: Callable[[Story], None]


def a_transfer_completes(story: Story) -> None:
    story.send()
    story.until(_final(within_seconds=30))
    story.show_money()
    _check_status(story, "completed")
    done = [each["name"] for each in story.known["steps"] if each["status"] == "done"]
    steps = ["withdraw", "deposit", "record", "release"]
    story.check("its four steps are done, and nothing was undone", expected=steps, seen=done)
    story.check(f"{AMOUNT} EUR have moved, and all of it can be spent", expected=_MOVED, seen=story.moved())
    story.reconcile()


def the_ledger_refuses(story: Story) -> None:
    story.send("ledger_rejects")
    story.until(_final(within_seconds=40))
    story.show_money()
    _check_status(story, "compensated")
    _check_failure(story, "ledger_rejected")
    _check_order(story, _TWO)
    _check_undone(story)
    story.reconcile()


def the_worker_dies(story: Story) -> None:
    story.send("slow_compensation")
    story.until(Moment("deposit_compensation runs", _is("deposit_compensation", "running"), 30))
    with story.without(_ACCOUNT_WORKER):
        waits = Moment("the status says what the transfer waits for", _waits_for(_ACCOUNT_WORKER), 10)
        seconds = story.until(waits)
        story.look_at_money("worker is dead")
        _check_while_dead(story, seconds)
        story.wait_for_key("to start the worker again")
    story.until(_final(within_seconds=90))
    story.show_money()
    _check_status(story, "compensated")
    again = step(story.known, "deposit_compensation")["attempts"] > 1
    story.check("the attempt that died with its worker was made again", expected=True, seen=again)
    _check_order(story, _TWO)
    _check_undone(story)
    story.reconcile()


def _check_while_dead(story: Story, seconds: float) -> None:
    answer = story.look("status", "waiting_for")
    seen = (answer["status"], answer["waiting_for"])
    told = f"{seconds:.1f} s after the kill the status names the worker that is missing"
    story.check(told, expected=("compensating", _ACCOUNT_WORKER), seen=seen)
    held = ("-" + AMOUNT, "0.00", "+" + AMOUNT)
    told = f"the {AMOUNT} EUR are safe: held at the receiver, who can't spend them"
    story.check(told, expected=held, seen=story.moved(until="worker is dead"))


def the_sender_cancels(story: Story) -> None:
    story.send("slow")
    story.until(Moment("deposit runs", _is("deposit", "running"), 40))
    story.look_at_money("on its way")
    story.ask("cancel")
    story.until(_final(within_seconds=40))
    story.show_money()
    _check_status(story, "compensated")
    _check_failure(story, "cancelled")
    _check_order(story, ["record_compensation", *_TWO])
    _check_undone(story)
    story.reconcile()


def an_operator_is_needed(story: Story) -> None:
    story.send("compensation_fails")
    story.until(Moment("the transfer needs attention", _has_status("needs_attention"), 90))
    story.look_at_money("refund fails")
    _check_while_parked(story)
    story.wait_for_key("to retry now, as the operator")
    story.ask("retry")
    story.until(_final(within_seconds=40))
    story.show_money()
    _check_status(story, "compensated")
    _check_failure(story, "ledger_rejected")
    _check_undone(story)
    story.reconcile()


def _check_while_parked(story: Story) -> None:
    tried = step(story.known, "withdraw_compensation")["attempts"] - 1
    story.check(f"the refund has failed {tried} times", expected=True, seen=tried >= _PARKED_AFTER)
    told = f"the {AMOUNT} EUR are with neither of the two: still owed to the sender"
    story.check(told, expected=_OWED, seen=story.moved(until="refund fails"))


CHAPTERS = (
    Chapter(
        "A transfer that completes",
        "Four steps: withdraw from the sender, deposit at the receiver as held credit, record in the ledger, release. "
        "Held credit can't be spent yet: until the ledger has recorded it, a transfer can still be undone in full.",
        a_transfer_completes,
    ),
    Chapter(
        "The ledger refuses",
        "The money has moved when the ledger says no. No database transaction spans the two services, so there is "
        "nothing to roll back: the saga undoes each step by its compensation, last in, first out.",
        the_ledger_refuses,
    ),
    Chapter(
        "The worker dies in the middle of the undoing",
        "The ledger refuses again, and now each compensation takes ten seconds. During the first one we kill the "
        "worker that is at it (SIGKILL): the undoing has begun, and nobody is left who could go on with it.",
        the_worker_dies,
    ),
    Chapter(
        "The sender cancels",
        "Each step takes ten seconds here, and the sender changes their mind while the deposit is under way. Nobody "
        "knows how far it got, so the ledger's door is shut first, then all is undone, whether it had happened or not.",
        the_sender_cancels,
    ),
    Chapter(
        "An operator is needed",
        "The ledger refuses, and then the refund itself keeps failing. It is never given up: the next attempts come "
        "after 1, 2, 4, 8 seconds and so on. After the fifth the transfer asks for a person, who says: try now.",
        an_operator_is_needed,
    ),
)


def _check_status(story: Story, status: str) -> None:
    story.check(f"the transfer is {status}", expected=status, seen=story.known["status"])


def _check_failure(story: Story, code: str) -> None:
    failure = story.known["failure"] or {}
    story.check(f"it says why: {code}", expected=code, seen=failure.get("code"))


def _check_order(story: Story, names: list[str]) -> None:
    ended = sorted(compensations(story.known), key=lambda name: _ended_at(story.known, name))
    story.check(f"undone in this order: {', '.join(names)}", expected=names, seen=ended)


def _check_undone(story: Story) -> None:
    story.check("both accounts have what they had before", expected=_UNDONE, seen=story.moved())


def _ended_at(transfer: Json, name: str) -> datetime:
    return datetime.fromisoformat(step(transfer, name)["finished_at"])


def _final(*, within_seconds: float) -> Moment:
    return Moment("the transfer ends", lambda transfer: transfer["status"] in FINAL, within_seconds)


def _has_status(status: str) -> Callable[[Json], bool]:
    return lambda transfer: bool(transfer["status"] == status)


def _is(name: str, status: str) -> Callable[[Json], bool]:
    return lambda transfer: bool(step(transfer, name).get("status") == status)


def _waits_for(process: str) -> Callable[[Json], bool]:
    return lambda transfer: bool(transfer["waiting_for"] == process)
