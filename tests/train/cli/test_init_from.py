"""`trainer fit --init-from`: what it prints, records and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from in_process import Ended, run_here

from train.cli import main
from train.configuration.stage_config import StageConfig
from train.inference.initial_weights import InitialWeights
from train.runs.run_folder import INIT, RunFolder

Settings = dict[str, list[str]]


@pytest.fixture
def fit(shards: Path, tiny_settings: Settings, tmp_path: Path) -> Fit:
    return Fit(shards, tiny_settings, tmp_path)


class Fit:
    """`trainer fit` of one tiny step in a temporary folder."""

    def __init__(self, shards: Path, settings: Settings, cwd: Path) -> None:
        self.shards, self.settings, self.cwd = shards, settings, cwd

    def __call__(self, source: Path | None, *more: str, stage: str = "base", runs: str = "runs") -> Ended:
        sets = ["--set", "validation.every=0", "--set", "sampling.steps=2"]
        for setting in self.settings.get(stage, []):  # all stages at once keep their preset's
            sets += ["--set", setting]
        where = ["--shards", str(self.shards), "--runs", runs, "--stage", stage, "--preset", "nano", "--steps", "1"]
        given = [] if source is None else ["--init-from", str(source)]
        return run_here(main, "fit", *where, *sets, *given, *more, cwd=self.cwd)


def test_a_new_run_prints_and_records_its_initial_weights(fit: Fit, trained: Path, tmp_path: Path) -> None:
    done = fit(trained)
    assert done.returncode == 0, done.stderr
    assert f"trainer: base: starts from the EMA weights of step 2 in {trained}: " in done.stderr
    assert done.stderr.count("starts from") == 1
    record = json.loads((tmp_path / "runs/base" / INIT).read_text())
    state = json.loads((trained / "base/checkpoints/step-00000002/state.json").read_text())
    assert record == {"step": 2, "sha256": state["sha256"]["ema.safetensors"], "not_taken": []}
    assert [path.name for path in RunFolder(tmp_path / "runs/base").checkpoints.all()] == ["step-00000001"]

    for source in (trained / "base", None):  # resumes, with the same weights from elsewhere or without the option
        again = fit(source)
        assert (again.returncode, "starts from" in again.stderr) == (0, False), again.stderr
    shutil.copytree(tmp_path / "runs", tmp_path / "others")
    other = fit(tmp_path / "others")
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert "was started with a different --init-from (step 2, " in other.stderr


NO_WARP = ("model.warp=false", "model.copies=false", "diffusion.warp_loss=0")


@pytest.mark.usefixtures("made_up_traces")
def test_a_dry_run_checks_the_source_and_writes_nothing(fit: Fit, trained: Path, tmp_path: Path) -> None:
    done = fit(
        trained,
        "--dry-run",
        "--set",
        "model.warp=false",
        "--set",
        "model.copies=false",
        "--set",
        "diffusion.warp_loss=0",
    )
    assert done.returncode == 0, done.stderr
    assert "not taken: " in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["fit", "dry run"])
def test_a_single_stage_that_the_source_lacks_is_one_error(
    fit: Fit, trained: Path, tmp_path: Path, dry: list[str]
) -> None:
    done = fit(trained / "base", *dry, stage="sr256")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "sr256: --init-from" in done.stderr
    assert "has no checkpoint of this stage" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_of_all_stages_those_that_it_lacks_start_from_random_weights(
    fit: Fit, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[tuple[str, bool]] = []

    def note(config: StageConfig, *_: object, init: InitialWeights | None, **_more: object) -> bool:
        starts.append((config.stage, init is not None))
        return True

    monkeypatch.setattr("train.cli.fit.fit_stage", note)
    monkeypatch.setattr("train.cli.fit.load_previous", lambda *_: None)  # nothing is trained here
    done = fit(trained / "base", stage="all")
    assert done.returncode == 0, done.stderr
    assert starts == [("base", True), ("sr256", False), ("sr1024", False)]
    assert done.stderr.count("has no checkpoint of this stage; it starts from random weights") == 2


def test_an_invalid_source_is_one_error(fit: Fit, tmp_path: Path) -> None:
    for source in ("nowhere", "."):
        done = fit(Path(source))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith(f"trainer: --init-from {source}: ")
    assert not (tmp_path / "runs").exists()
