"""A run of `TransferMoney` in the model: what it awaits next, by what it hears (docs/protocol.md's table of it)."""

from typing import Final

from model.protocol import ABORT, FORWARD, Answer, Body, Name, Problem, Result, Run
from model.rules import Rule
from transfer_contract.steps import Compensation, Decision, FinalStatus, Step

_SHORTCUT: Final[tuple[Name, ...]] = (Compensation.DEPOSIT, Compensation.WITHDRAW)


def started(body: Body) -> Run:
    return Run(body, (Step.WITHDRAW,))


def reset(run: Run, step: int) -> Run:
    """From before a forward step that it had come to."""
    return Run(run.body, (FORWARD[step],), heard=step)


def terminated(run: Run) -> Run:
    return run._replace(awaits=(), result=None)


def after(run: Run, name: Name, answer: Answer, dropped: frozenset[Rule]) -> Run | None:
    """None where the answer is an error that is retried."""
    if answer is Problem.GUARD:
        return None
    if name is Step.RELEASE:
        return _closed(run, FinalStatus.COMPLETED)
    if isinstance(name, Step):
        return _after_forward(run, name, answer, dropped)
    if name is Compensation.RECORD and answer is Decision.APPLIED:
        return run._replace(awaits=(Step.RELEASE,))
    if name is Compensation.WITHDRAW:
        rejected = answer is Decision.REJECTED and Rule.STATUS_FROM_ROWS not in dropped
        run = run._replace(result=FinalStatus.REJECTED if rejected else FinalStatus.COMPENSATED)
    return _undone(run, name, dropped)


def aborting(run: Run, dropped: frozenset[Rule]) -> Run:
    """Cancelled, or its attempts are used up: the full abort (rule 5)."""
    return run._replace(awaits=_owed(run, dropped)[:1])


def parked(run: Run, dropped: frozenset[Rule]) -> Run | None:
    """The last compensation begun keeps failing: the next one begins, unless this is the barrier (rule 6)."""
    last = run.awaits[-1]
    may_go_on = last is Compensation.DEPOSIT or (last is Compensation.RECORD and Rule.BARRIER in dropped)
    return run._replace(awaits=run.awaits + _next(run, last, dropped)) if may_go_on else None


def given_up(run: Run, dropped: frozenset[Rule]) -> Run:
    """Only with rule 8's second half dropped: three attempts, and on."""
    last = run.awaits[-1]
    return _closed(run, FinalStatus.COMPLETED) if last is Step.RELEASE else _undone(run, last, dropped)


def cut_short(run: Run) -> Run:
    """Only with rule 8's first half dropped: a cancel ends what isn't shielded."""
    return _closed(run, FinalStatus.COMPENSATED)


def reconciled(name: Name, answer: Answer) -> tuple[Name, ...]:
    """What a reconciler does next, by the same rules (rule 13)."""
    if name is Compensation.RECORD:
        return (Step.RELEASE,) if answer is Decision.APPLIED else _SHORTCUT[:1]
    return _SHORTCUT[1:] if name is Compensation.DEPOSIT else ()


def _after_forward(run: Run, step: Step, answer: Answer, dropped: frozenset[Rule]) -> Run:
    if answer is Decision.APPLIED:
        following = (*FORWARD, Step.RELEASE)[run.heard + 1]
        return run._replace(awaits=(following,), heard=run.heard + 1)
    if answer is Problem.KEY_REUSED:
        return _closed(run, Problem.KEY_REUSED)
    if step is Step.WITHDRAW:
        return _closed(run, FinalStatus.REJECTED) if answer is Decision.REJECTED else aborting(run, dropped)
    return run._replace(awaits=_SHORTCUT[:1])


def _undone(run: Run, name: Name, dropped: frozenset[Rule]) -> Run:
    """One compensation fewer to wait for, and the next one where this was the last begun."""
    others = tuple(awaited for awaited in run.awaits if awaited is not name)
    begun = _next(run, name, dropped) if name is run.awaits[-1] else ()
    run = run._replace(awaits=others + begun)
    return run if run.awaits else _closed(run, run.result or FinalStatus.COMPENSATED)


def _next(run: Run, name: Name, dropped: frozenset[Rule]) -> tuple[Name, ...]:
    owed = _owed(run, dropped)
    begun = [number for number, compensation in enumerate(owed) if compensation is name]
    return owed[begun[0] + 1 :][:1] if begun else ()


def _owed(run: Run, dropped: frozenset[Rule]) -> tuple[Name, ...]:
    if Rule.WHOLE_ABORT not in dropped:
        return ABORT
    return tuple(c for c in ABORT if FORWARD.index(c.step) <= run.heard)


def _closed(run: Run, result: Result) -> Run:
    return run._replace(awaits=(), result=result)
