"""The demo in a browser: choosing, sending, waiting, mistakes, keyboard, a phone's width, contrast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labels_by_hand import front_in_one_layer, label_by_hand, labelled
from PIL import Image

from train.serving.uploads import find_partners

pytestmark = pytest.mark.slow

OpenTab = Callable[..., Any]


def url(site: Any) -> str:
    return f"http://127.0.0.1:{site.port}/"


@pytest.fixture
def off(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page without estimators."""
    monkeypatch.setattr(site.app_state.photographs, "state", "off")
    monkeypatch.setattr(site.app_state.photographs, "why", "weights are missing; put them there")
    return site


@pytest.fixture
def ready(site: Any, monkeypatch: pytest.MonkeyPatch, shards: Path) -> Any:
    """A page that takes photographs."""
    monkeypatch.setattr(site.app_state.photographs, "state", "ready")
    monkeypatch.setattr(site.app_state.photographs, "_partners", find_partners(shards.parent / "aihub"))
    return site


def choose(tab: Any, person: int = 0, garment: int = 1) -> None:
    tab.page.locator("[data-role=person] .tile").nth(person).click()
    tab.page.locator("[data-role=garment] .tile").nth(garment).click()


def dress(tab: Any) -> None:
    tab.page.get_by_role("button", name="Try on").click()
    tab.page.locator("#dress:not(:disabled)").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")])
def test_the_page_has_no_console_errors_no_overflow_and_is_accessible(
    off: Any, open_tab: OpenTab, width: int, scheme: str
) -> None:
    tab = open_tab(url(off), width, scheme)
    tab.page.locator(".tile").first.wait_for()
    tab.assert_accessible()
    choose(tab)
    dress(tab)
    for details in tab.page.query_selector_all("details"):
        details.evaluate("details => { details.open = true }")
    assert tab.page.eval_on_selector("#picture", "picture => picture.decode().then(() => picture.naturalWidth)") == 256
    tab.assert_no_wider_than_the_screen()
    tab.assert_accessible()
    assert not tab.complaints
    assert all(asked.startswith((url(off), "data:")) for asked in tab.requests)


def test_a_result_shows_its_stages_and_provenance(off: Any, open_tab: OpenTab) -> None:
    tab = open_tab(url(off))
    button = tab.page.get_by_role("button", name="Try on")
    tab.page.locator(".tile").first.wait_for()
    assert button.is_disabled()
    choose(tab)
    dress(tab)
    assert tab.page.locator("#caption").text_content().startswith("256 × 256 pixels")
    assert tab.page.locator("#picture").get_attribute("alt").startswith("person 1001_")
    tab.page.get_by_label("first, 64²").check()
    assert tab.page.locator("#caption").text_content().startswith("64 × 64 pixels")
    with tab.page.expect_download() as saved:
        tab.page.get_by_text("Save the image").click()
    assert saved.value.suggested_filename == "dressed-64.png"
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    tab.page.get_by_text("How it was made").click()
    assert tab.page.locator("#told dt").first.text_content() == "person"
    assert not tab.page.locator("#earlier").is_visible()
    first = tab.page.locator("#picture").get_attribute("src")
    choose(tab, person=1)
    dress(tab)
    assert tab.page.locator("#strip button").count() == 2
    tab.page.locator("#strip button").nth(1).click()
    assert tab.page.locator("#picture").get_attribute("src") == first.replace("base", "sr1024")


def test_the_page_works_by_keyboard(off: Any, open_tab: OpenTab) -> None:
    tab = open_tab(url(off))
    tab.page.locator(".tile").first.wait_for()
    for role in ("person", "garment"):
        tab.tab_to(f"input[name={role}]")
        tab.page.keyboard.press("Space")
        tab.page.keyboard.press("ArrowRight")
        assert tab.page.locator(f"[data-role={role}] input").nth(1).is_checked()
    tab.tab_to("#dress")
    tab.page.keyboard.press("Enter")
    tab.page.locator("#figure").wait_for()
    assert tab.page.evaluate("document.activeElement.id") == "result"


def test_the_reason_for_disabled_uploads_is_shown(off: Any, open_tab: OpenTab) -> None:
    tab = open_tab(url(off))
    tab.page.get_by_text("Uploads are not available here").click()
    assert tab.page.get_by_text("Weights are missing; put them there.").is_visible()
    assert not tab.page.locator("#person-file").is_visible()


def test_an_uploaded_photograph_is_dressed(ready: Any, open_tab: OpenTab, shards: Path) -> None:
    aihub = shards.parent / "aihub"
    sent = labelled(ready.shards.sample(front_in_one_layer(ready.shards, aihub)), "person", aihub)
    photographs = ready.app_state.photographs
    label_by_hand(photographs, "person", "upper", sent, photographs._partners["upper"]["garment"])
    tab = open_tab(url(ready))
    tab.page.locator("#person-file").set_input_files(sent.image)
    tab.page.get_by_label("your photograph of the person").wait_for()
    tab.page.locator("[data-role=garment] .tile").first.click()
    tab.assert_accessible()
    dress(tab)
    width = "picture => picture.decode().then(() => picture.naturalWidth)"
    with Image.open(sent.image) as photograph:
        assert tab.page.eval_on_selector("#picture", width) == photograph.width
    tab.page.get_by_text("third, 256²").click()
    assert tab.page.eval_on_selector("#picture", width) == 256
    assert tab.page.locator("#picture").get_attribute("alt").startswith("your photograph of the person in garment")
    assert not tab.complaints


def test_an_unusable_photograph_is_reported(ready: Any, open_tab: OpenTab, tmp_path: Path) -> None:
    partner = ready.app_state.photographs._partners["upper"]["person"]
    (tmp_path / "cut.jpg").write_bytes(partner.image.read_bytes()[:20_000])
    (tmp_path / "none.jpg").write_bytes(b"no picture at all")
    tab = open_tab(url(ready))
    for file, said in (("cut.jpg", "bad-image"), ("none.jpg", "Cannot read this file as an image")):
        tab.page.locator("#person-file").set_input_files(tmp_path / file)
        tab.page.locator("[data-role=garment] .tile").first.click()
        dress(tab)
        assert said in tab.page.get_by_role("alert").text_content()
    tab.assert_accessible()


def test_a_photograph_that_is_too_large_is_not_uploaded(ready: Any, open_tab: OpenTab, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8" + bytes(11 * 2**20))
    tab = open_tab(url(ready))
    tab.page.locator(".tile").first.wait_for()
    tab.page.locator("#person-file").set_input_files(tmp_path / "large.jpg")
    assert "11.0 MB; 10 MB is the maximum" in tab.page.get_by_role("alert").text_content()
    assert tab.page.get_by_label("your photograph of the person").count() == 0


def test_the_position_in_the_queue_is_shown(serve: Callable[..., Any], open_tab: OpenTab) -> None:
    site = serve(work=False)
    site.app_state.photographs.state = "off"
    tabs = [open_tab(url(site)) for _ in range(2)]
    for tab in tabs:
        tab.page.locator(".tile").first.wait_for()
        choose(tab)
        tab.page.get_by_role("button", name="Try on").click()
        tab.page.locator("#cancel").wait_for()
    assert tabs[1].page.get_by_role("status").text_content() == "1 ahead of yours"
    tabs[1].page.locator("#cancel").click()
    tabs[1].page.locator("#dress:not(:disabled)").wait_for()
    assert not tabs[1].page.get_by_role("alert").is_visible()
    assert tabs[1].page.get_by_text("The image appears here.").is_visible()
