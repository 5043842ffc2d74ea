"""`/`: the web page, its files taken from `static/page` as they are, under a strict CSP."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from service_runtime.problems import Problem
from transfer_contract.http import ProblemCode

from gateway.entity_tags import IfNoneMatch, entity_tag
from gateway.strict_route import StrictRoute

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html"
)
"""Trusted types: only lit-html's own templates ever become HTML, never a text that somebody sent."""

_PAGE: Final = Path(__file__).parent / "static" / "page"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFiles:
    """The files that may be asked for: those that were there at the start."""

    def __init__(self, folder: Path = _PAGE) -> None:
        found = (path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        self._paths = {path.relative_to(folder).as_posix(): path for path in found}
        self._index = folder / "index.html"

    def router(self) -> APIRouter:
        router = APIRouter(route_class=StrictRoute, include_in_schema=False)
        router.get("/")(self._page)
        router.get("/page/{name:path}")(self._file)
        return router

    def _page(self, client_has: IfNoneMatch) -> Response:
        answer = _answer(self._index, "text/html; charset=utf-8", client_has)
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    def _file(self, name: str, client_has: IfNoneMatch) -> Response:
        path = self._paths.get(name)
        if path is None:
            raise Problem(ProblemCode.NOT_FOUND, "Not Found")
        return _answer(path, _MEDIA_TYPES[path.suffix], client_has)


def _answer(path: Path, media_type: str, client_has: IfNoneMatch) -> Response:
    """Kept by the browser, but asked for each time: an upgrade shows at once."""
    content = path.read_bytes()
    version = sha256(content).hexdigest()[:32]
    headers = {"ETag": entity_tag(version), "Cache-Control": "no-cache"}
    if client_has.include(version):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
