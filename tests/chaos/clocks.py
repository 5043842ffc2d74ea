"""A wall clock of its own for a process, by Debian's libfaketime: steps as those of a clock that is set, monotonic time
goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
PROBLEM: Final = "libfaketime is not installed (Debian's package libfaketime)"


def library() -> Path | None:
    found = (path for pattern in _LIBRARIES for path in Path("/").glob(pattern.removeprefix("/")))
    return next(found, None)


def environment(clock: Path) -> Mapping[str, str]:
    """Of a process whose clock is that file; nothing where there is no libfaketime."""
    preloaded = library()
    if preloaded is None:
        return {}
    clock.parent.mkdir(exist_ok=True)
    set_to(clock, 0)
    return {
        "LD_PRELOAD": str(preloaded),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_to(clock: Path, offset_seconds: int) -> None:
    """Against the machine's; the process notices within a second. In one piece: it may read at any moment."""
    draft = clock.with_suffix(".new")
    draft.write_text(f"{offset_seconds:+d}\n")
    draft.replace(clock)
