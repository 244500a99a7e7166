"""The page about shards in a browser: quiet, filters, keyboard, a phone's width, contrast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preprocess.inspection.page import write_report

pytestmark = pytest.mark.slow

OpenTab = Callable[..., Any]
SHOWN = "cards => cards.filter(card => card.checkVisibility()).map(card => ({...card.dataset}))"


@pytest.fixture(scope="session")
def path(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about six drawn looks."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report(drawn, out, 1, lambda done, total: None)
    return out


def shown(tab: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = tab.page.eval_on_selector_all(".card", SHOWN)
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")])
def test_the_page_has_no_errors_fits_and_is_readable(path: Path, open_tab: OpenTab, width: int, scheme: str) -> None:
    tab = open_tab(path, width, scheme)
    for details in tab.page.query_selector_all("details"):
        details.evaluate("details => { details.open = true }")
    tab.assert_no_wider_than_the_screen()
    tab.assert_accessible()
    tab.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    tab.assert_quiet(path)


def test_every_image_loads(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    tab.page.eval_on_selector_all("img", "all => all.forEach(one => { one.loading = 'eager' })")  # or none is decoded
    sizes = tab.page.eval_on_selector_all(
        "img", "all => Promise.all(all.map(one => one.decode().then(() => [one.naturalWidth, one.naturalHeight])))"
    )
    assert len(sizes) >= len(shown(tab)) > 0
    assert all(size == [576, 192] for size in sizes)


@pytest.mark.parametrize(
    ("name", "value"), [("split", "val"), ("category", "lower"), ("view", "back"), ("doubt", "none")]
)
def test_a_filter_shows_the_matches_and_their_number(path: Path, open_tab: OpenTab, name: str, value: str) -> None:
    tab = open_tab(path)
    everything = shown(tab)
    form = tab.page.locator("form[data-filters='.card']")
    form.locator(f"select[name={name}]").select_option(value)
    fitting = [card for card in everything if value in card[name].split()]
    assert 0 < len(fitting) < len(everything) or name == "doubt"
    assert shown(tab) == fitting
    assert form.locator("output").inner_text() == f"{len(fitting)} of {len(everything)} shown"
    form.get_by_text("Show all").click()
    tab.page.locator(".card[hidden]").first.wait_for(state="detached")  # the page's policy forbids waiting by script
    assert shown(tab) == everything


def test_two_filters_are_combined(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    expected = [card for card in shown(tab) if card["category"] == "upper" and card["view"] == "back"]
    form = tab.page.locator("form[data-filters='.card']")
    form.locator("select[name=category]").select_option("upper")
    form.locator("select[name=view]").select_option("back")
    assert shown(tab) == expected != []


def test_poses_can_be_hidden(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    poses = tab.page.locator(".card svg").first
    assert poses.is_visible()
    tab.page.locator("#poses").uncheck()
    assert not poses.is_visible()


def test_the_page_works_by_keyboard(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    tab.tab_to("form[data-filters='.card'] select[name=view]")
    tab.page.keyboard.press("ArrowDown")
    assert {card["view"] for card in shown(tab)} != {"front", "back"}
    tab.tab_to("#poses")
    tab.page.keyboard.press("Space")
    assert not tab.page.locator(".card svg").first.is_visible()
    tab.tab_to(".card summary")
    tab.page.keyboard.press("Enter")
    assert tab.page.locator(".card details[open] dl").first.is_visible()


def test_rejects_can_be_filtered(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    tab.page.get_by_text("alternating between reasons").click()
    form = tab.page.locator("form[data-filters='#reject-rows tr']")
    form.locator("select[name=reason]").select_option(index=1)
    assert form.locator("output").inner_text() == "2 of 2 shown"  # the broken parse is that of a top and of trousers
