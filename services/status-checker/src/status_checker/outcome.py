"""A problem as a value, for what is asked side by side and judged together."""

from collections.abc import Awaitable
from typing import TypeVar

from service_runtime.problems import Problem

Answer = TypeVar("Answer")


async def or_problem(work: Awaitable[Answer]) -> Answer | Problem:
    try:
        return await work
    except Problem as problem:
        return problem
