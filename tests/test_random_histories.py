import pytest
from hypothesis import strategies as st
from random_histories import SEED, play_never_seen


def played() -> list[int]:
    numbers: list[int] = []
    play_never_seen(st.integers(), numbers.append, count=100)
    return numbers


def test_each_run_has_histories_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEED, raising=False)
    assert played() != played()


def test_the_seed_that_a_failure_names_brings_its_histories_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEED, raising=False)
    until_refused: list[int] = []

    def refuse(number: int) -> None:
        if not until_refused or abs(until_refused[-1]) < 1000:
            until_refused.append(number)
        assert abs(number) < 1000

    with pytest.raises(AssertionError) as failure:
        play_never_seen(st.integers(), refuse, count=100)
    [note] = [note for note in failure.value.__notes__ if SEED in note]
    monkeypatch.setenv(SEED, note.partition(f"{SEED}=")[2].split()[0])
    assert played()[: len(until_refused)] == until_refused
