"""The guided demo, run as a newcomer would, on a stack of its own; and what it says where it can't run."""

from collections.abc import Iterator
from uuid import uuid4

import leftovers
import pytest
from guided_demo import check_demo, run_demo
from system.make_command import Make

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Nothing runs yet, and nothing does in containers."""
    made = Make(tmp_path_factory.mktemp("demo") / "local")
    made.environment["COMPOSE_PROJECT_NAME"] = f"saga-nowhere-{uuid4().hex[:8]}"
    yield made
    made("down")
    assert leftovers.find(made.stack.local_dir) == []


def test_where_nothing_runs_it_says_what_to_start(make: Make) -> None:
    done = run_demo(make.environment)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert done.stderr.startswith("error: nothing is running: start it by `make up` or by `docker compose up")


def test_every_chapter_is_as_it_is_told(make: Make) -> None:
    started = make("up")
    assert started.returncode == 0, started.stdout + started.stderr
    suffix = f" LOCAL_DIR={make.environment['LOCAL_DIR']}"
    check_demo(
        run_demo(make.environment),
        gateway_port=make.environment["GATEWAY_PORT"],
        kill=f"make kill SERVICE=account-worker{suffix}",
        start=f"make start SERVICE=account-worker{suffix}",
    )


def test_another_port_than_the_running_one_is_told(make: Make) -> None:
    done = run_demo(make.environment | {"GATEWAY_PORT": "1"})
    assert done.returncode != 0
    assert f"`make up` on port {make.environment['GATEWAY_PORT']}" in done.stderr


def test_without_demo_faults_it_says_how_to_get_them(make: Make) -> None:
    make("down")
    assert make("demo-free").returncode == 0
    done = run_demo(make.environment)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "switched off here" in done.stderr
