import pytest
from gateway.entity_tags import client_versions

VERSION = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


@pytest.mark.parametrize(
    "header",
    [f'"{VERSION}"', f'W/"{VERSION}"', f'"{OTHER}", "{VERSION}"', f'"{OTHER}" ,W/"{VERSION}", "x"', "*", " * "],
)
def test_the_client_has_a_version_that_one_of_its_tags_names(header: str) -> None:
    assert client_versions(header).include(VERSION)


@pytest.mark.parametrize(
    "header",
    [
        "",
        VERSION,
        f"'{VERSION}'",
        f'"{VERSION}',
        f'"{OTHER}"',
        f'w/"{VERSION}"',
        f'*, "{VERSION}"',
        f'"{VERSION}" "x"',
        f'"{VERSION[:-1]}"',
        f'"{VERSION}";q=1',
    ],
)
def test_the_client_has_no_version_that_its_tags_do_not_name(header: str) -> None:
    assert not client_versions(header).include(VERSION)


def test_a_long_poll_compares_with_the_one_version_of_the_client() -> None:
    assert client_versions(f'W/"{VERSION}"').known == VERSION
    assert client_versions(f'"{VERSION}", "{OTHER}"').known is None
    assert client_versions("*").known is None


def test_tags_of_another_make_are_outdated() -> None:
    assert client_versions('"1", "v2"').are_outdated
    assert not client_versions(f'"1", "{VERSION}"').are_outdated
    assert not client_versions("*").are_outdated
    assert not client_versions("").are_outdated
