"""How tests ask for a transfer."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from transfer_contract.transfers import TransferRequest, TransferView

CheckerOf = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
"""Serves a status-checker, given its Temporal client, and answers an HTTP client of it."""


async def look(checker: httpx.AsyncClient, transfer: TransferRequest, **query: str | int) -> TransferView:
    answer = await checker.get(f"/transfers/{transfer.transfer_id}", params=query)
    assert answer.status_code == 200, answer.text
    return TransferView.model_validate_json(answer.content)


async def until(
    checker: httpx.AsyncClient, transfer: TransferRequest, condition: Callable[[TransferView], object]
) -> TransferView:
    """Polls; for up to 10 s."""
    for _ in range(200):
        if condition(view := await look(checker, transfer)):
            return view
        await asyncio.sleep(0.05)
    pytest.fail(f"still {view}")
