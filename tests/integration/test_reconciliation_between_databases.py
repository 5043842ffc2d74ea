"""Reconciliation on real databases: right books are clean, whatever is planted is found, in a million entries too."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from gateway.settings import Settings
from integration.loaded_books import LoadedBooks
from integration.moving_transfers import move_transfers
from integration.planted_discrepancies import ACCOUNTS, PLANTS, Plant, Target
from loader import Load
from money_checks import check_money, totals
from psycopg import sql
from sqlalchemy import make_url
from system.figures import Figures
from transfer_contract.http import Reconciliation

SOME: Final = Load(completed=1_600, accounts=50)
A_MILLION_ENTRIES: Final = Load(completed=500_000)
GATEWAY_GIVES_UP_SECONDS: Final[float] = (
    Settings.model_fields["answer_timeout_seconds"].default + Settings.model_fields["reconciliation_seconds"].default
)
"""With `503`: a client that asks for the reconciliation has no use for a later answer."""


@pytest.fixture(scope="module")
def right(new_database: Callable[[], str]) -> LoadedBooks:
    return LoadedBooks.load(new_database(), new_database(), SOME)


@pytest.fixture
def copied(right: LoadedBooks, postgres_server: str) -> LoadedBooks:
    """To plant something in."""

    def copy(url: str) -> str:
        name = f"test_{uuid4().hex}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(make_url(url).database or "")
        )
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(command)
        return url.rsplit("/", 1)[0] + f"/{name}"

    return LoadedBooks(copy(right.accounts_url), copy(right.ledger_url), right.loaded)


async def test_right_books_are_balanced_and_so_are_they_by_the_tests_own_count(right: LoadedBooks) -> None:
    books = check_money(right.accounts_url, right.ledger_url)
    assert len(books.entries) == 2 * (SOME.completed + SOME.accounts)
    answer = await right.reconcile()
    assert (answer.balanced, answer.discrepancies) == (True, [])
    [told] = answer.currencies
    assert (told.balances_minor, told.held_minor, told.in_transit_minor, told.sum_minor) == totals(books)["EUR"]


@pytest.mark.parametrize("planted", PLANTS, ids=lambda planted: planted.name)
async def test_whatever_is_planted_in_either_database_is_found(copied: LoadedBooks, planted: Plant) -> None:
    target = copied.targets()[planted.name]
    copied.plant(planted, target)
    answer = await copied.reconcile()
    assert not answer.balanced
    assert_found(planted, target, answer)
    assert {found.transfer_id for found in answer.discrepancies} <= {target.t, None, "nobody"}


async def test_a_transfer_undone_without_a_deposits_row_needs_a_shut_door_all_the_same(copied: LoadedBooks) -> None:
    [open_door] = [planted for planted in PLANTS if planted.name == "compensated with the door open"]
    no_deposit = ("DELETE FROM decisions WHERE transfer_id = '{t}' AND step = 'deposit'",)
    target = copied.targets()[open_door.name]
    copied.plant(replace(open_door, database=ACCOUNTS, statements=no_deposit), target)
    assert (await copied.reconcile()).balanced
    copied.plant(open_door, target)
    assert_found(open_door, target, await copied.reconcile())


async def test_what_is_on_its_way_is_no_discrepancy_at_any_moment(copied: LoadedBooks) -> None:
    is_over = threading.Event()
    moving = [
        asyncio.create_task(asyncio.to_thread(move_transfers, copied, Random(seed), lambda: not is_over.is_set()))  # noqa: S311
        for seed in range(2)
    ]
    answers = [await copied.reconcile() for _ in range(15)]
    is_over.set()
    moved = sum(await asyncio.gather(*moving))
    assert moved > 20
    assert [answer.discrepancies for answer in answers] == [[]] * len(answers)
    assert all(answer.balanced for answer in [*answers, await copied.reconcile()])
    check_money(copied.accounts_url, copied.ledger_url)


def assert_found(planted: Plant, target: Target, answer: Reconciliation) -> None:
    of_transfer = {found.kind for found in answer.discrepancies if found.transfer_id == target.t}
    assert of_transfer == planted.kinds, planted.name
    if planted.of_source is not None:
        assert (planted.of_source, target.source) in {(found.kind, found.account) for found in answer.discrepancies}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
async def test_a_million_entries_are_reconciled_in_seconds_and_whatever_is_planted_in_them_is_found(
    new_database: Callable[[], str], figures: Figures
) -> None:
    books = LoadedBooks.load(new_database(), new_database(), A_MILLION_ENTRIES)
    began = time.monotonic()
    assert (await books.reconcile()).balanced
    seconds = time.monotonic() - began
    figures.seconds("reconciliation of a million entries", seconds)
    assert seconds < GATEWAY_GIVES_UP_SECONDS

    targets = books.targets()
    for planted in PLANTS:
        books.plant(planted, targets[planted.name])
    began = time.monotonic()
    answer = await books.reconcile()
    figures.seconds(f"the same with {len(PLANTS)} discrepancies planted", time.monotonic() - began)
    for planted in PLANTS:
        assert_found(planted, targets[planted.name], answer)
