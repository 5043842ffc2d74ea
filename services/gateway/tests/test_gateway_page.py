"""`/` is the web page: whole, from this host alone, under a policy that lets no text become script."""

import re
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import urlsplit

import gateway
import httpx
import pytest

PAGE = Path(gateway.__file__).parent / "static" / "page"
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.suffix in {".js", ".css", ".svg"})
MODULES = [name for name in FILES if name.endswith(".js")]


class Index(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.preloaded: list[str] = []
        self.inline: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        values = {name: value or "" for name, value in attrs}
        if values.get("rel") == "modulepreload":
            self.preloaded.append(values["href"])
        elif tag in ("link", "script"):
            self.loaded.append(values.get("href") or values["src"])
        self.inline += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.fixture
async def index(client: httpx.AsyncClient) -> Index:
    parsed = Index()
    parsed.feed((await client.get("/")).text)
    return parsed


def imports(text: str) -> list[str]:
    return re.findall(r"""(?:^|[;}])\s*(?:import|export)\b[^;"']*?from\s*["']([^"']+)["']""", text, re.MULTILINE)


def directives(policy: str) -> dict[str, str]:
    return {name: sources for name, _, sources in (part.strip().partition(" ") for part in policy.split(";"))}


async def test_the_page_is_html_under_a_policy_without_inline_script_or_other_hosts(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    policy = directives(answer.headers["Content-Security-Policy"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert {policy[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "lit-html"


async def test_the_page_has_nothing_inline_and_loads_only_what_it_serves(
    client: httpx.AsyncClient, index: Index
) -> None:
    assert index.inline == []
    for address in index.loaded + index.preloaded:
        assert urlsplit(address).path == address
        assert (await client.get(address)).status_code == 200


async def test_every_module_is_loaded_ahead_of_the_one_that_imports_it(index: Index) -> None:
    assert index.preloaded == [f"/page/{name}" for name in MODULES if name != "main.js"]


@pytest.mark.parametrize("name", FILES)
async def test_a_file_of_the_page_is_served_with_its_type_and_asked_for_again_each_time(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get(f"/page/{name}")
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    assert answer.status_code == 200
    assert answer.content == (PAGE / name).read_bytes()
    assert answer.headers["Content-Type"] == types[name.rsplit(".", 1)[1]]
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/page/main.js"])
async def test_a_browser_that_has_the_file_is_told_so(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Cache-Control"] == "no-cache"
    assert (await client.get(path, headers={"If-None-Match": f'"{"0" * 32}"'})).status_code == 200


@pytest.mark.parametrize("name", MODULES)
def test_every_import_of_a_module_is_a_file_of_the_page(name: str) -> None:
    for imported in imports((PAGE / name).read_text()):
        assert imported.startswith(("./", "../")), "no other host, no import map"
        assert normpath(join(dirname(name), imported)) in MODULES


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("vendor/")])
def test_the_page_names_no_other_host_and_no_way_from_text_to_html(name: str) -> None:
    text = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert "//" not in re.sub(r"(?m)(^|\s)// .*$", "", text), "an address of another host"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|unsafeHTML|eval\(", text)


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/page/",
        "/page/index.html",
        "/page/nothing.js",
        "/page/vendor/lit-html/LICENSE",
        "/page/../page.py",
        "/page/..%2f..%2fpage.py",
        "/page/%2e%2e/docs.js",
        "/page/styles",
        "/page/main.js%0A",
        "/page//main.js",
    ],
)
async def test_what_is_no_file_of_the_page_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_vendored_library_comes_with_its_licence_and_version() -> None:
    folder = PAGE / "vendor" / "lit-html"
    version = re.search(r"lit-html (\d+\.\d+\.\d+)", (folder / "README.md").read_text())
    assert version is not None
    assert version[1] in (folder / "lit-html.js").read_text()
    assert "BSD 3-Clause" in (folder / "LICENSE").read_text()
