"""How the API and Temporal are asked when everything runs again: until they answer."""

import asyncio
from typing import Final

import httpx
from chaos.answers import NO_DEFECT, is_defect
from chaos.violations import Violations
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.transfers import TransferResult

CLOSES_WITHIN_SECONDS: Final = 15
"""What is final has a workflow that is at its last task, or one that an operator has ended."""

_ATTEMPTS: Final = 10


async def result_of(temporal: Client, workflow: str) -> TransferResult | None:
    """None where the workflow is no longer there; asked again where Temporal doesn't answer."""
    run = temporal.get_workflow_handle(workflow, result_type=TransferResult)
    while True:
        try:
            result: TransferResult = await run.result()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
        else:
            return result
        await asyncio.sleep(1)


async def get(api: httpx.AsyncClient, path: str, violations: Violations) -> httpx.Response | None:
    """None where it isn't answered although everything runs."""
    for _ in range(_ATTEMPTS):
        try:
            answer = await api.get(path)
        except httpx.HTTPError:
            pass
        else:
            if is_defect(answer):
                violations.add(NO_DEFECT, f"GET {path}: {answer.status_code} {answer.text[:500]}")
            if answer.status_code < 500:
                return answer
        await asyncio.sleep(1)
    return None
