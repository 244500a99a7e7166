"""Every part's code on a CPU, with nano: what is misnamed shows here, and not in the first minutes on a card."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from card.cells import Part, Site
from card.learning_part import learn, learning_table, slices
from card.machine import ROOT, describe
from card.memory_part import memory_part
from card.run import all_parts
from card.sampling_part import sampling_part
from card.speed_part import speed_part
from card.tests_part import functions, part_of_tests, run_test
from card.wait_part import busy_share, shares, wait_part

from train.configuration.settings import stage_config
from train.training.metrics import Status

LARGER = [pytest.param("base", marks=pytest.mark.slow), pytest.param("sr256", marks=pytest.mark.slow), "sr1024"]
"""The stages, of which the first two take longer on a CPU."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(torch.device("cpu"), tmp_path_factory.mktemp("site"))


def measured(part: Part, site: Site, name: str) -> dict[str, Any]:
    """Measure a cell, and see that its table has a row with the figures."""
    cell = next(cell for cell in part.cells if cell.name == name)
    result: dict[str, Any] = json.loads(json.dumps(cell.measure(site)))
    empty = part.table({})
    told = part.table({name: {"result": result}})
    assert len(set(told.splitlines()) - set(empty.splitlines())) == 1
    return result


@pytest.mark.parametrize("stage", LARGER)
def test_speed_and_sampling(site: Site, stage: str) -> None:
    speed = measured(speed_part(), site, f"nano-{stage}")
    assert speed["images_per_second"] == pytest.approx(speed["batch"] / speed["seconds"])
    assert speed["tflops"] > 0
    sampling = measured(sampling_part(), site, f"nano-{stage}")
    assert sampling["own_seconds"] > 0
    assert sampling["fast_sampler"].startswith("dpmpp_2m")


@pytest.mark.parametrize("stage", LARGER)
def test_memory(site: Site, stage: str) -> None:
    result = measured(memory_part(), site, f"nano-{stage}-fp32")
    assert 0 < result["predicted"] < result["needed"]
    assert (result["micro_batch"], result["batch"]) == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_waiting(site: Site, stage: str) -> None:
    result = measured(wait_part(), site, f"nano-{stage}")
    assert 0 <= result["data_wait"] <= 1
    assert result["steps"] >= 1
    assert result["busy"] is None  # nothing of a card is in the trace


@pytest.mark.slow
def test_learning_slices_resume_from_each_other(site: Site) -> None:
    first, second, larger = slices()[:3]
    found = learn(site, first)
    assert found["steps"] == found["step"] > 0
    assert math.isfinite(found["loss"])
    assert (site.folder / "learning" / found["sheet"]).stat().st_size < 400_000
    resumed = learn(site, second)
    assert resumed["step"] == found["step"] + resumed["steps"]
    assert resumed["steps"] > 0
    assert learn(site, larger)["sheet"] == "03-recipe-sr256.jpg"
    told = learning_table({first.name: {"result": found}})
    assert f"[{first.name}](card/{first.name}.jpg)" in told


def test_the_settings_of_the_slices_are_settings_of_small() -> None:
    for part in slices():
        config = stage_config("small", part.stage, None, part.settings)
        assert (config.diffusion.prediction == "x") == (part.runs == "recipe")
    assert len({part.name for part in slices()}) == len(slices())


def status(step: int, seconds: float, data_wait: float) -> Status:
    return Status("base", step, 100, 0.5, 1.0, seconds, 1.0, data_wait, 1, 0, 0, 1.0, 1e-4, None, 1.0, None)


def test_the_share_of_waiting_leaves_the_first_steps_out() -> None:
    found = shares(status(10, 100.0, 0.9), status(30, 140.0, (90.0 + 10.0) / 140.0), batch=8)
    assert found["steps"] == 20
    assert found["images_per_second"] == pytest.approx(4.0)
    assert found["data_wait"] == pytest.approx(0.25)


def test_the_busy_share_counts_what_overlaps_once() -> None:
    def event(start: float, duration: float, category: str = "kernel") -> dict[str, Any]:
        return {"ts": start, "dur": duration, "cat": category}

    events = [event(0, 10), event(5, 10), event(7, 2), event(30, 10, "gpu_memcpy"), event(0, 99, "cpu_op"), {"ph": "M"}]
    assert busy_share(events) == pytest.approx(25 / 40)
    assert busy_share([event(0, 1, "cpu_op")]) is None


def test_the_tests_on_a_card_are_found_without_importing_them() -> None:
    names = [cell.name for cell in part_of_tests().cells]
    assert "test_runs-test_an_interrupted_run_ends_with_the_same_bits" in names
    assert all(functions(file) for file in (ROOT / "tests/card").glob("test_*.py"))


@pytest.mark.slow
def test_a_test_is_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "tests/card/test_noise.py"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TRYON_CARD_DEVICE", "cpu")
    found = run_test(site, file, "test_normal_numbers_are_the_same_up_to_rounding")
    assert (found["cases"], found["passed"], found["skipped"], found["failed"]) == (4, 2, 2, 0)
    assert found["reasons"] == "compiled draws need a card and triton"


def test_a_failing_test_is_an_error_with_its_message(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test_made_up.py"
    file.write_text("def test_wrong():\n    assert 1 == 2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=r"1 of 1 cases: assert 1 == 2"):
        run_test(site, file, "test_wrong")


@pytest.mark.slow
def test_the_program_measures_records_and_reports(tmp_path: Path) -> None:
    document = tmp_path / "card.md"
    document.write_text((ROOT / "docs/measurements/card.md").read_text("utf-8"), "utf-8")
    command = [sys.executable, str(ROOT / "benchmarks/card/run.py"), "--device", "cpu", "--out", str(tmp_path / "s"),
               "--document", str(document), "--only", "sampling", "--minutes", "1.2"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    state = json.loads((tmp_path / "s/state.json").read_text())
    assert state["machine"]["card"] == "none"
    assert "result" in state["cells"]["sampling/small-base"]
    assert "cells are left" in done.stdout
    assert "| small base | 1 | fp32 |" in document.read_text("utf-8")


def test_a_machine_is_described() -> None:
    facts = describe(torch.device("cpu"))
    assert facts["card"] == "none"
    assert facts["torch"] == torch.__version__
    assert facts["commit"]
    assert os.linesep not in facts["commit"]
    assert len(all_parts()) == 7
