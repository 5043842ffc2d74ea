"""`make demo`: finds the running system, plays the chapters, and exits with 1 where anything isn't as told."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import key_press
from chapters import CHAPTERS, Chapter
from curl import Curl, require_curl
from demo_errors import DemoError, NotAsToldError
from errors import StackError
from gateway_reads import GatewayReads
from interrupts import heed_interrupts
from preflight import look_around
from screen import Screen, new_console
from story import AMOUNT, FINAL, Stage, Story
from worlds import find_world


def main() -> int:
    heed_interrupts()
    arguments = _arguments()
    screen = Screen(new_console(), pauses=not arguments.no_pause and key_press.is_possible())
    try:
        _play_all(screen)
    except NotAsToldError as problem:
        screen.broken(problem)
        return _fail(f"this isn't as the demo tells it: {problem.told}")
    except (DemoError, StackError) as error:
        return _fail(str(error))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description="The guided demo, against the running system.")
    parser.add_argument("--no-pause", action="store_true", help="go on without a key press between the chapters")
    return parser.parse_args()


def _fail(problem: str) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return 1


def _play_all(screen: Screen) -> None:
    require_curl()
    world = find_world(os.environ)
    gateway = GatewayReads(world.gateway_url)
    sender, receiver = look_around(world, gateway, screen.prose)
    curl = Curl(world.gateway_url, show=screen.command)
    stage = Stage(world, gateway, curl, screen, sender, receiver)
    _introduce(stage)
    for number, chapter in enumerate(CHAPTERS, start=1):
        _play(stage, number, chapter)
    screen.heading("The end")
    screen.prose(
        "Five transfers, one dead worker, and every cent is where it belongs. Kill whatever you like, whenever you "
        "like: README.md tells how it works, and in which order to read the code."
    )


def _introduce(stage: Stage) -> None:
    screen, world = stage.screen, stage.world
    screen.title("Transfer Saga: the guided demo")
    screen.prose(
        f"Five chapters, about a minute of watching. Each sends {AMOUNT} EUR from {stage.source} to "
        f"{stage.destination} in the system that {world.name} has started, shows what becomes of the money, and "
        "checks that all is as told. The commands are those that are really run: copy them and play on."
    )
    screen.link("Page", world.gateway_url)
    screen.link("Temporal UI", world.temporal_ui_url)


def _play(stage: Stage, number: int, chapter: Chapter) -> None:
    stage.screen.heading(f"{number} of {len(CHAPTERS)}  {chapter.title}")
    stage.screen.prose(chapter.text)
    stage.screen.wait_for_key("to begin")
    story = Story(stage, reference=f"guided demo, chapter {number}")
    with _whatever_is_left_is_told(stage, story):
        chapter.play(story)


@contextmanager
def _whatever_is_left_is_told(stage: Stage, story: Story) -> Iterator[None]:
    """A chapter that ends early leaves a transfer behind that has not ended."""
    try:
        yield
    except BaseException:
        if story.transfer is not None and story.transfer["status"] not in FINAL:
            _tell_what_is_left(stage, story)
        raise


def _tell_what_is_left(stage: Stage, story: Story) -> None:
    end = "goes on without this demo"
    if story.scenario == "compensation_fails":
        end = f"needs an operator's retry: `curl -X POST {stage.world.gateway_url}/transfers/{story.known['id']}/retry`"
    stage.screen.prose(f"This transfer has not ended yet, and {end}.")
    story.show_links()
