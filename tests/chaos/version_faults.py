"""A new build of workflow-worker, with workflow code that does something else, takes over while transfers run."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import workflow_handler
from chaos import topology, worker_versions
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.service_programs import service, with_variables
from chaos.supervised import Supervised
from chaos.waiting import until
from free_port import free_port

READY_SECONDS: Final = 240
CURRENT_SECONDS: Final = 300
"""Temporal itself may be away meanwhile, more than once."""

_CHANGE: Final = "chaos-build-{}"
_CHANGED: Final = """\
            for build in range({build}, 1, -1):
                if workflow.patched("{change}".format(build)):
                    await shielded(workflow.sleep(build / 1000))
                    break
"""
_IMPORT: Final = "from workflow_handler.saga import shielded\n"


@dataclass(frozen=True)
class _Story:
    """A workflow's module, its line before which the change goes, and its import after which the change's goes."""

    module: str
    unchanged: str
    imports: str


_STORIES: Final = (
    _Story(
        "transfer_money.py",
        "            await self._forward(Step.DEPOSIT)\n",
        "from workflow_handler.policies import Timings\n",
    ),
    _Story(
        "transfer_batch.py",
        "            await (await self._step(_NEXT[step], positions))\n",
        "from workflow_handler.policies import Batching, pause_seconds\n",
    ),
)
_WORKERS: Final = tuple(name for name in topology.WORKERS if topology.kind_of(name) == worker_versions.DEPLOYMENT)


def change_of(build: int) -> str:
    """Its patch: before the deposit a timer of its own, which a cancel doesn't end; in a batch before the record, too.

    A run keeps what it began with.
    """
    return _CHANGE.format(build)


async def deploy(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """The new workers beside the old, then the tasks to the new, then the old are asked to stop.

    Forward only: a run that has got a task in the changed code can't go on in the old. So one at a time, for one that
    is late would take the tasks back from the next. Where the new workers aren't ready, nothing has begun, and
    TimeoutError is raised.
    """
    if system.deployment.locked():
        return Effect(0, "the deployment before this one isn't done")
    async with system.deployment:
        return await _deploy(system, fault)


async def _deploy(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    build = system.build + 1
    ports = {name: free_port() for name in _WORKERS}
    new = {name: _worker(system, name, build=build, port=port) for name, port in ports.items()}
    try:
        for worker in new.values():
            worker.start()
        await asyncio.gather(*(_until_ready(name, port) for name, port in ports.items()))
    except BaseException:
        await asyncio.gather(*(worker.stop() for worker in new.values()))
        raise
    old = [system.replace(name, new[name], port=ports[name]) for name in _WORKERS]
    system.build = build
    try:
        await worker_versions.make_current(await system.temporal_client(), str(build), within_seconds=CURRENT_SECONDS)
        await asyncio.sleep(fault.for_seconds / 2)  # what the old have begun, they finish
    finally:
        await asyncio.gather(*(worker.stop() for worker in old))
    return Effect(len(new), f"workers of build {build} have taken over from the build before")


def _worker(system: ChaosSystem, name: str, *, build: int, port: int) -> Supervised:
    program = service(system, name)
    variables = {
        "PORT": str(port),
        "WORKER_BUILD_ID": str(build),
        "PYTHONPATH": str(changed_code(system.folder, build)),
    }
    return Supervised(with_variables(program, variables), system.logs / f"{name}-build-{build}.log")


def changed_code(folder: Path, build: int) -> Path:
    """A folder that holds the changed package, for PYTHONPATH."""
    target = folder / "changed" / str(build)
    if not target.exists():
        package = target / "workflow_handler"
        shutil.copytree(Path(workflow_handler.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        for story in _STORIES:
            module = package / story.module
            module.write_text(_changed(module.read_text(), story, build))
    return target


def _changed(code: str, story: _Story, build: int) -> str:
    for line in (story.unchanged, story.imports):
        assert code.count(line) == 1, f"{story.module} has changed: change this patch with it"
    change = _CHANGED.format(build=build, change=_CHANGE)
    return code.replace(story.unchanged, change + story.unchanged).replace(story.imports, story.imports + _IMPORT)


async def _until_ready(name: str, port: int) -> None:
    async with httpx.AsyncClient(timeout=3, trust_env=False) as probe:

        async def ready() -> bool:
            try:
                return (await probe.get(f"http://127.0.0.1:{port}/readyz")).is_success
            except httpx.TransportError:
                return False

        await until(ready, f"the new {name} is ready", within_seconds=READY_SECONDS)
