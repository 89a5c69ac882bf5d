"""The page's files: what is sent, how long it may be kept, and that nothing in them makes markup of a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.app.page import ASSETS, FOLDER, PAGES, version

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import World

SOURCES = {name: (FOLDER / name).read_text(encoding="utf-8") for name in (*ASSETS, *PAGES)}
SCRIPTS = sorted(name for name in ASSETS if name.endswith(".js"))
FROM_TEXT_TO_MARKUP = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|parseFromString|createContextualFragment|srcdoc"
    r"|\beval\b|new Function|javascript:|setAttribute\(\"(on|style|src\")|\.src\s*="
)


def test_every_file_of_the_page_is_listed_and_every_listed_one_is_there() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted((*ASSETS, *PAGES))


@pytest.mark.parametrize("address", ["/", "/docs"])
def test_a_page_names_only_what_is_sent_and_may_be_kept_for_good(shared_world: World, address: str) -> None:
    page = shared_world.client.get(address)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    loaded = set(re.findall(r'(?:src|href)="(page/[^"#]+)', page.text))
    assert len(loaded) > 2
    for name in loaded:
        asset = shared_world.client.get(f"/{name}")
        assert asset.status_code == 200, name
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_has_its_type_and_cannot_be_taken_for_another(shared_world: World, name: str) -> None:
    asset = shared_world.client.get(f"/page/{version()}/{name}")
    kinds = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    assert asset.headers["content-type"] == kinds[name.rpartition(".")[2]]
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in asset.headers["content-security-policy"]
    assert asset.text == SOURCES[name]


def test_what_a_browser_has_already_is_not_sent_again(shared_world: World) -> None:
    first = shared_world.client.get("/")
    again = shared_world.client.get("/", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert shared_world.client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_page_of_before_a_deployment_gets_what_there_is_and_does_not_keep_it(shared_world: World) -> None:
    asset = shared_world.client.get("/page/0123456789abcdef/app.js")
    assert (asset.status_code, asset.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name",
    ["settings.py", "index.html", "..%2Fsettings.py", "%2e%2e/settings.py", "app.js%00", "app.js/", "APP.JS"],
)
def test_what_is_not_listed_is_not_sent(shared_world: World, name: str) -> None:
    answer = shared_world.client.get(f"/page/{version()}/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_openapi_document_is_of_the_api_and_not_of_the_page(shared_world: World) -> None:
    paths = shared_world.client.get("/openapi.json").json()["paths"]
    assert "/auth/login" in paths
    assert not [path for path in paths if path.startswith("/page") or path in {"/", "/docs"}]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_text_never_becomes_markup_or_an_address_of_something_to_load(name: str) -> None:
    assert not re.search(FROM_TEXT_TO_MARKUP, SOURCES[name])


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(name: str) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", SOURCES[name]))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    if name.endswith((".html", ".svg")):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", SOURCES[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_what_the_page_has_and_what_it_uses(name: str) -> None:
    for names, module in re.findall(r'^import (.+?) from "\./(.+?)";$', SOURCES[name], re.MULTILINE):
        assert module in ASSETS
        for found in re.findall(r"\w+", names.replace("* as", "")):
            assert len(re.findall(rf"\b{found}\b", SOURCES[name])) > 1, f"{found} is not used"
            if "* as" not in names:
                exported = rf"^export (async )?(function|const|class) {found}\b|^export \{{[^}}]*\b{found}\b"
                assert re.search(exported, SOURCES[module], re.MULTILINE), f"{module} has no {found}"


def test_the_page_and_the_api_know_the_same_limits() -> None:
    assert "MOST_DIRECT = 4 * 1024 * 1024;" in SOURCES["uploads.js"]
    assert "MOST = 100 * 1024 * 1024;" in SOURCES["uploads.js"]
    assert (contract.MAX_DIRECT_BYTES, contract.MAX_UPLOAD_BYTES) == (4 * 1024 * 1024, 100 * 1024 * 1024)
