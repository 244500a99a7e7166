"""The page about runs: its numbers are theirs, its texts harmless, its size bounded, and nothing is fetched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from common.errors import UserError
from train.cli.report import report_command
from train.reporting import write_report
from train.reporting.run_series import MAX_POINTS
from train.reporting.sheet_series import MAX_SHEETS
from train.reporting.write import MAX_RUNS

PageOf = Callable[[], Any]
HOSTILE = "<script>alert('1')<,script><a href=http:,,x>"


@pytest.fixture
def page_of(runs: Path, tmp_path: Path, take_apart: Callable[[Path], Any]) -> PageOf:
    """Write the page about the runs and take it apart."""

    def write() -> Any:
        write_report(runs, tmp_path / "report.html")
        return take_apart(tmp_path / "report.html")

    return write


def figures_of(page: Any) -> dict[str, Any]:
    start = page.source.index('id="figures">') + len('id="figures">')
    found: dict[str, Any] = json.loads(page.source[start : page.source.index("</script>", start)])
    return found


def table(page: Any, title: str) -> list[list[str]]:
    found: list[list[str]] = next(table for table in page.tables if table[0][0] == title)
    return found


def test_the_summary_shows_a_runs_numbers(write_run: Any, page_of: PageOf) -> None:
    write_run("base", validated=(5, 10, 20))
    head, row = table(page_of(), "Run")
    assert dict(zip(head, row, strict=True)) == {
        "Run": "base", "steps": "20 of 100", "training loss": "0.0500", "validation loss": "0.1000",
        "best": "0.1000 at 20", "images/s": "7.0", "data wait": "25.0%", "memory": "3.00 GiB",
        "skipped": "2", "replaced": "10", "TFLOP/s": "1.5", "MFU": "30%", "grad norm": "0.1",
    }  # fmt: skip


def test_the_table_shows_the_last_validation(write_run: Any, page_of: PageOf) -> None:
    write_run("base", validated=(10, 20))
    [(head, row)] = [rows for rows in page_of().tables if rows[0][:2] == ["Run", "step"]]
    assert head[2:] == ["mean", *(f"t 0.{place}" for place in range(10))]
    assert row == ["base", "20", "0.1000", *(f"{1 / (20 + place):.4f}" for place in range(9)), "–"]


def test_many_validations_do_not_lengthen_a_curve(write_run: Any, page_of: PageOf) -> None:
    run = write_run("base", steps=1, validated=())
    line = {"validation": 0.5, "validation_by_t": [0.5] * 1000}
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps({"step": step, **line}) + "\n" for step in range(1, MAX_POINTS + 2))
    figures = figures_of(page_of())
    assert len(values(figures["s0-validation"]["data"][0]["x"])) <= MAX_POINTS
    assert len(figures["s0-over-time-0"]["data"]) == 10
    assert len(values(figures["s0-over-time-0"]["data"][0]["y"])) <= MAX_POINTS


def test_curves_match_the_runs_metrics(write_run: Any, page_of: PageOf) -> None:
    write_run("base", steps=4, validated=(2, 4))
    figures = figures_of(page_of())
    assert set(figures) == {
        "s0-loss", "s0-validation", "s0-by-time", "s0-over-time-0", "s0-norm", "s0-rate", "s0-speed",
        "s0-tflops", "s0-mfu", "s0-memory", "s0-waits",
    }  # fmt: skip
    assert points(figures["s0-loss"]) == [([1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4])]
    assert points(figures["s0-validation"]) == [([2, 4], [1, 1 / 2])]
    [(times, losses)] = points(figures["s0-by-time"])
    assert np.allclose(times, np.arange(0.05, 1, 0.1))
    assert np.allclose(losses[:9], [1 / (4 + place) for place in range(9)])
    assert losses[9] is None
    over_time = points(figures["s0-over-time-0"])
    assert len(over_time) == 10
    assert over_time[3] == ([2, 4], [1 / 5, 1 / 7])
    assert points(figures["s0-speed"]) == [([1, 2, 3, 4], [7, 7, 7, 7])]
    assert points(figures["s0-memory"]) == [([1, 2, 3, 4], [3, 3, 3, 3])]
    assert points(figures["s0-mfu"]) == [([1, 2, 3, 4], [30, 30, 30, 30])]
    assert points(figures["s0-waits"]) == [([1, 2, 3, 4], [25, 25, 25, 25])]


def points(figure: Any) -> list[tuple[Any, Any]]:
    return [(values(trace["x"]), values(trace["y"])) for trace in figure["data"]]


def values(of: Any) -> Any:
    """Numbers as plotly writes them: a list, or the bytes of an array."""
    if isinstance(of, list):
        return of
    import base64

    return np.frombuffer(base64.b64decode(of["bdata"]), of["dtype"]).tolist()


def test_stages_are_ordered_sections(write_run: Any, page_of: PageOf) -> None:
    for stage in ("sr256", "sr1024", "base"):
        write_run(stage, stage=stage)
    page = page_of()
    assert [one["id"] for one in page.all("h2")] == ["stage-0", "stage-1", "stage-2"]
    assert [rows[1][0] for rows in page.tables if rows[0][:2] == ["Run", "steps"]] == ["base", "sr256", "sr1024"]
    assert "Settings that differ" not in page.text


def test_nested_runs_are_found_and_their_differing_settings_listed(write_run: Any, page_of: PageOf) -> None:
    write_run("slow/base", settings=["optim.lr=1e-5"])
    older = write_run("quick/base", settings=["data.batch=4"])
    config = json.loads((older / "config.json").read_text())
    del config["precision"]
    (older / "config.json").write_text(json.dumps(config))
    (older / "data.json").write_text('{"fingerprint": "abc", "samples": 7}')
    assert table(page_of(), "Setting") == [
        ["Setting", "quick/base", "slow/base"], ["data.batch", "4", "8"], ["optim.lr", "0.003", "1e-05"],
        ["precision", "–", "fp32"], ["shards.fingerprint", "abc", "–"], ["shards.samples", "7", "–"],
    ]  # fmt: skip


def test_shown_sheets_are_limited_and_include_first_and_last(write_run: Any, page_of: PageOf) -> None:
    run = write_run("base", sheets=range(1, 101))
    (run / "sheets/step-00000001.png").write_bytes(b"no picture")
    (run / "sheets/notes.png").write_bytes(b"")
    page = page_of()
    shown = [one["data-step"] for one in page.all("figure") if one.get("data-step")]
    assert len(shown) == MAX_SHEETS - 1
    assert shown[-1] == "step 100"
    assert f"{MAX_SHEETS - 1} of 100" in page.text
    assert "Unreadable images: step-00000001.png" in page.text
    assert len(page.all("img")) == len(shown)


def test_the_page_loads_nothing_from_the_network(write_run: Any, page_of: PageOf) -> None:
    write_run("base", sheets=[10])
    page_of().assert_nothing_is_fetched()


def test_names_and_values_are_escaped(write_run: Any, page_of: PageOf) -> None:
    run = write_run(HOSTILE)
    config = json.loads((run / "config.json").read_text())
    config |= {"stage": "</script><b>", "preset": "<img src=x onerror=alert(1)>", "<i>": "</title>"}
    (run / "config.json").write_text(json.dumps(config))
    page = page_of()
    assert len(page.all("script")) == 3
    assert not [
        tag for tag in ("b", "i", "img", "a") if [one for one in page.all(tag) if "id" not in one and "href" not in one]
    ]
    assert all(one["href"].startswith("#") for one in page.all("a"))
    assert HOSTILE in page.text
    assert [trace["name"] for trace in figures_of(page)["s0-loss"]["data"]] == [
        HOSTILE.replace("<", "&lt;").replace(">", "&gt;")
    ]


def test_unreadable_lines_are_counted_and_skipped(write_run: Any, page_of: PageOf) -> None:
    run = write_run("base", steps=3)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('[]\n{"step": "x"}\n{"step": NaN}\n{"step": 4, "loss": null}\n{"step": 5, "loss": Infinity}\n{"st')
    page = page_of()
    assert "base: 4 unreadable lines of metrics.jsonl were skipped" in page.text
    [(steps, losses)] = points(figures_of(page)["s0-loss"])
    assert steps == [1, 2, 3, 4, 5]
    assert np.isnan(losses[3:]).all()


def test_a_folder_with_only_damaged_files_is_still_a_run(runs: Path, page_of: PageOf) -> None:
    (runs / "base").mkdir(parents=True)
    (runs / "base/config.json").write_text("{")
    page = page_of()
    assert "config.json is missing or unreadable" in page.text
    assert table(page, "Run")[1][:3] == ["base", "0", "–"]


def test_the_page_size_is_bounded_in_steps_and_runs(write_run: Any, runs: Path, page_of: PageOf) -> None:
    run = write_run("run00/base", steps=1)
    line = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text("".join(line.replace('"step": 1', f'"step": {n}') for n in range(1, 10_001)))
    for number in range(1, MAX_RUNS + 3):
        other = write_run(f"run{number:02}/base", steps=1)
        os.utime(other / "metrics.jsonl", (number, number))
    page = page_of()
    figures = figures_of(page)
    assert len(figures["s0-loss"]["data"]) == MAX_RUNS
    assert max(len(values(trace["x"])) for trace in figures["s0-loss"]["data"]) == MAX_POINTS
    assert "each point is the mean of 1 to 25 steps" in page.text
    assert "3 runs are not shown (the least recently updated): run01/base, run02/base, run03/base" in page.text


def test_the_command_reports_runs_and_unreadable_lines(write_run: Any, runs: Path, tmp_path: Path) -> None:
    write_run("base")
    out = tmp_path / "page.html"
    result = CliRunner().invoke(report_command, ["--runs", str(runs), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"1 runs: {out} (")


def test_missing_runs_and_a_full_disk_are_user_errors(write_run: Any, runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder in it"):
        write_report(tmp_path / "nowhere", tmp_path / "page.html")
    write_run("base")
    with pytest.raises(UserError, match="No such file"):
        write_report(runs, tmp_path / "nowhere/page.html")


@pytest.mark.parametrize("package", ["plotly", "jinja2"])
def test_a_missing_extra_is_reported(
    write_run: Any, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    write_run("base")
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package}.* is not installed; pip install 'tryon-cascade\[report\]'"):
        write_report(runs, tmp_path / "page.html")
