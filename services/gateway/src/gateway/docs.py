"""`/docs`: Swagger UI without internet, its files taken from the package fastapi-offline, under a strict CSP."""

from importlib.resources import files
from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.responses import FileResponse
from service_runtime.problems import Problem
from transfer_contract.http import ProblemCode

from gateway.strict_route import StrictRoute

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHE_SECONDS: Final = 3600
_SWAGGER: Final = Path(str(files(fastapi_offline))) / "static"
_OWN: Final = Path(__file__).parent / "static"
_FILES: Final = {
    "swagger-ui-bundle.js": _SWAGGER,
    "swagger-ui.css": _SWAGGER,
    "favicon.png": _SWAGGER,
    "docs.js": _OWN,
}


def docs_router() -> APIRouter:
    router = APIRouter(route_class=StrictRoute, include_in_schema=False)
    router.get("/docs", response_class=FileResponse)(_page)
    router.get("/docs/{name}", response_class=FileResponse)(_file)
    return router


async def _page() -> FileResponse:
    return FileResponse(_OWN / "docs.html", headers={"Content-Security-Policy": _POLICY})


async def _file(name: str) -> FileResponse:
    folder = _FILES.get(name)
    if folder is None:
        raise Problem(ProblemCode.NOT_FOUND, "Not Found")
    return FileResponse(folder / name, headers={"Cache-Control": f"max-age={_CACHE_SECONDS}"})
