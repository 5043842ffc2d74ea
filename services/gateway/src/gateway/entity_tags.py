"""Entity tags (RFC 9110): a transfer's version, and what `If-None-Match` says that the client has."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Request

_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_LIST: Final = re.compile(rf"\s*{_TAG.pattern}(?:\s*,\s*{_TAG.pattern})*\s*")
_VERSION: Final = re.compile(r"[0-9a-f]{32}")


def entity_tag(version: str) -> str:
    return f'"{version}"'


@dataclass(frozen=True)
class ClientVersions:
    """The versions that the client has. A malformed header counts as none."""

    versions: frozenset[str] = frozenset()
    any_version: bool = False

    def include(self, version: str) -> bool:
        return self.any_version or version in self.versions

    @property
    def known(self) -> str | None:
        """What a long poll compares with: the client's one version."""
        return next(iter(self.versions)) if len(self.versions) == 1 else None

    @property
    def are_outdated(self) -> bool:
        """No tag is one of ours, so whatever the transfer's version is, it has changed: nothing to wait for."""
        return bool(self.versions) and not any(_VERSION.fullmatch(version) for version in self.versions)


def client_versions(header: str) -> ClientVersions:
    if header.strip() == "*":
        return ClientVersions(any_version=True)
    if _LIST.fullmatch(header) is None:
        return ClientVersions()
    return ClientVersions(versions=frozenset(_TAG.findall(header)))


def _versions_of_request(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="The `ETag` of an earlier answer: an unchanged transfer is answered with `304`.",
        ),
    ] = None,
) -> ClientVersions:
    return client_versions(", ".join(request.headers.getlist("if-none-match")))


IfNoneMatch = Annotated[ClientVersions, Depends(_versions_of_request)]
