"""The page about runs in a browser: quiet, plots, choices, keyboard, a phone's width, contrast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from train.reporting import write_report

pytestmark = pytest.mark.slow

OpenTab = Callable[..., Any]
HOSTILE = "<a href='http:x'>run<,a>"


@pytest.fixture
def path(write_run: Any, runs: Path, tmp_path: Path) -> Path:
    """The page about two runs of one stage and one of another, with sheets."""
    write_run("one/base", sheets=[5, 10, 20])
    write_run(f"{HOSTILE}/base", settings=["optim.lr=1e-4"], steps=30, validated=(10, 20, 30))
    write_run("one/sr256", stage="sr256", validated=())
    write_report(runs, tmp_path / "report.html")
    return tmp_path / "report.html"


def traces(tab: Any, plot: str) -> list[bool]:
    found: list[bool] = tab.page.eval_on_selector(f"[data-plot={plot}]", "plot => plot.data.map(one => one.visible)")
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")])
def test_the_page_has_no_console_errors_no_overflow_and_is_accessible(
    path: Path, open_tab: OpenTab, width: int, scheme: str
) -> None:
    tab = open_tab(path, width, scheme)
    for details in tab.page.query_selector_all("details"):
        details.evaluate("details => { details.open = true }")
    tab.assert_no_wider_than_the_screen()
    tab.assert_accessible()
    tab.assert_quiet(path)


def test_every_plot_is_drawn(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    plots = tab.page.locator("[data-plot]")
    assert plots.count() == 8 + 4
    for plot in plots.all():
        assert plot.locator(".scatterlayer .trace").count() > 0
    lines = tab.page.locator("[data-plot=s0-loss] .scatterlayer .trace path.js-line")
    assert lines.count() == 2


def test_markup_in_a_name_is_shown_as_text(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    legend = tab.page.locator("[data-plot=s0-loss] .legendtext")
    assert f"{HOSTILE}/base" in legend.all_text_contents()
    assert tab.page.locator("[data-plot] a").count() == 0


def test_runs_can_be_filtered_and_reset(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    assert traces(tab, "s0-loss") == [True, True]
    tab.page.get_by_role("checkbox", name="one/base").uncheck()
    assert traces(tab, "s0-loss") == [True, False]
    assert not tab.page.locator(".sheets").is_visible()
    assert tab.page.locator("tr[data-run='1']").first.is_hidden()
    tab.page.get_by_text("Show all").click()
    tab.page.locator(".sheets").first.wait_for()  # the page's policy forbids waiting by script
    assert traces(tab, "s0-loss") == [True, True]


def test_a_plot_without_a_selected_run_is_hidden(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    tab.page.get_by_label("one/sr256").uncheck()
    assert not tab.page.locator("[data-plot=s1-loss]").is_visible()
    assert tab.page.locator("[data-plot=s0-loss]").is_visible()


def test_the_logarithmic_loss_axis_can_be_turned_off(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    axis = "plot => plot.layout.yaxis.type"
    assert tab.page.eval_on_selector("[data-plot=s0-loss]", axis) == "log"
    tab.page.get_by_label("Logarithmic loss").uncheck()
    assert tab.page.eval_on_selector("[data-plot=s0-loss]", axis) == "linear"


def test_the_sheet_slider_works_by_keyboard(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    sheets = tab.page.locator(".sheets figure")
    assert [sheet.is_visible() for sheet in sheets.all()] == [False, False, True]
    tab.tab_to(".sheets input")
    tab.page.keyboard.press("ArrowLeft")
    assert [sheet.is_visible() for sheet in sheets.all()] == [False, True, False]
    assert tab.page.locator(".sheets output").inner_text() == "step 10"


def test_filters_work_by_keyboard(path: Path, open_tab: OpenTab) -> None:
    tab = open_tab(path)
    tab.tab_to("[name=run]")
    tab.page.keyboard.press("Space")
    assert traces(tab, "s0-loss") == [False, True]
