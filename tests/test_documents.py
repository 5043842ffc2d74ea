"""What the documents and the code refer to is there: files, headings, tests, and the protocol's rules by number."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted(
    {ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/README.md")}, key=lambda page: page.parts
)
_FOLDERS: Final = ("services", "libs", "tests", "docs", "deploy")
_TEXTS: Final = {".py", ".js", ".md", ".sql", ".yml", ".patch"}
_LINK: Final = re.compile(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"')
_CODE: Final = re.compile(r"```.*?```", re.DOTALL)
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)
_TEST: Final = re.compile(r"`(test_\w+)`")
_RULES: Final = re.compile(r"\b[Rr]ules? (\d+(?:(?:, | and )\d+)*)")
_UNPUBLISHED: Final = re.compile(r"(?i)\bdesign rule|\bsaga(?:'s)?[ -]rules?\b|\bdesign\.md\b")


def headings(page: Path) -> set[str]:
    """As GitHub names them in addresses."""
    found = _HEADING.findall(_CODE.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def texts() -> Iterator[Path]:
    """All that may cite a rule, but for this module."""
    yield ROOT / "README.md"
    for folder in _FOLDERS:
        files = (path for path in (ROOT / folder).rglob("*") if path.suffix in _TEXTS)
        yield from (path for path in files if path != Path(__file__) and "node_modules" not in path.parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = [link or image for link, image in _LINK.findall(_CODE.sub("", page.read_text()))]
    for link in links:
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def test_each_test_that_a_page_names_is_there() -> None:
    tests = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    for page in PAGES:
        for name in _TEST.findall(page.read_text()):
            assert f"def {name}(" in tests, f"{page.name}: {name}"


def test_each_rule_that_is_cited_stands_in_the_protocol() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    numbers = {int(number) for number in re.findall(r"^### (\d+)\. ", protocol, re.MULTILINE)}
    cited = 0
    for path in texts():
        text = path.read_text()
        for told in _RULES.findall(text):
            cited += 1
            assert {int(number) for number in re.findall(r"\d+", told)} <= numbers, f"{path}: rule {told}"
        assert not _UNPUBLISHED.search(text), f"{path} cites what the repository doesn't have"
    assert cited > 100
