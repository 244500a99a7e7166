"""The run folder: claims that keep a run to its settings and shards, and finding and reading what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.runs.metrics_file import MetricsFile
from train.runs.run_folder import CONFIG, DATA, INIT, METRICS, InitRecord, RunFolder

TinyConfig = Callable[..., StageConfig]


def test_a_run_refuses_shards_other_than_its_own(shards: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.claim_data(ShardFolder(shards, "train"))
    run.claim_data(ShardFolder(shards, "train"))
    with pytest.raises(UserError, match=r"was started with different shards \(\d+ samples"):
        run.claim_data(ShardFolder(shards, "val"))
    (tmp_path / DATA).write_text("{}")
    with pytest.raises(UserError, match="damaged or from an incompatible version"):
        run.claim_data(ShardFolder(shards, "train"))


def test_the_configuration_reads_back_as_claimed(tmp_path: Path, tiny: TinyConfig) -> None:
    run = RunFolder(tmp_path / "base")
    assert run.read_config() is None
    assert RunFolder(tmp_path / "base" / CONFIG / "below").read_config() is None
    run.claim_config(tiny("base"))
    assert run.read_config() == tiny("base")
    run.claim_config(tiny("base", "steps=20"))
    assert run.read_config() == tiny("base", "steps=20")
    run.config_path.unlink()
    run.config_path.mkdir()
    with pytest.raises(UserError, match=r"config\.json: cannot be read \(Is a directory.*; train the stage again"):
        run.read_config()


def test_other_settings_are_named_as_they_are_set(tmp_path: Path, tiny: TinyConfig) -> None:
    """A run of a version whose preset had no edge loss says so, and how to go on: no whole sections are printed."""
    run = RunFolder(tmp_path / "base")
    run.claim_config(tiny("base", "diffusion.edge_loss=0", "optim.lr=1e-3"))
    wanted = r"different settings \(optim\.lr was 0\.001, is 0\.002; diffusion\.edge_loss was the default, is 1\.0\); use"
    with pytest.raises(UserError, match=wanted) as refused:
        run.claim_config(tiny("base", "diffusion.edge_loss=1", "optim.lr=2e-3"))
    assert str(refused.value).count(" was ") == 3


def test_run_folders_are_found_but_not_below_other_run_folders(tmp_path: Path) -> None:
    for name in ("b/base", "a/base", "a/base/checkpoints/step-00000001", "a/base/sheets", "x/y/z/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / CONFIG).touch()
    (tmp_path / METRICS).touch()
    found = [run.path.relative_to(tmp_path).as_posix() for run in RunFolder.find(tmp_path, depth=3)]
    assert found == [".", "a/base", "b/base"]


def test_sheets_are_listed_by_step(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.sheets() == {}
    for name in ("step-00000020.png", "step-00000003.png", "step-best.png", "notes.png"):
        (tmp_path / "sheets").mkdir(exist_ok=True)
        (tmp_path / "sheets" / name).touch()
    assert run.sheets() == {3: run.sheet_path(3), 20: run.sheet_path(20)}
    assert list(run.sheets()) == [3, 20]


def test_truncated_metrics_read_back_without_later_steps(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / METRICS)
    assert metrics.truncate(0) == {}
    for step in (1, 2, 3):
        metrics.append({"step": step, "loss": step / 2})
        metrics.append({"step": step, "validation": float(step), "validation_by_t": [1.0, None]})
    assert metrics.truncate(2) == {1: 1.0, 2: 2.0}
    series = metrics.read()
    assert series.columns["step"].tolist() == [1, 2]
    assert series.columns["loss"].tolist() == [0.5, 1.0]
    assert [point.loss for point in series.validations] == [1.0, 2.0]
    assert series.unreadable == 0


def test_a_validation_without_a_number_does_not_replace_the_line_of_its_step(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / METRICS)
    lines = [{"step": 1, "loss": 1.0}, {"step": 1, "validation": "low"}]
    metrics.path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert metrics.read().unreadable == 1
    assert metrics.truncate(1) == {}
    assert metrics.read().columns["loss"].tolist() == [1.0]


def test_a_run_refuses_initial_weights_other_than_its_own(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    run, data = RunFolder(tmp_path / "base"), ShardFolder(shards, "train")
    mine = InitRecord(step=2, sha256="a" * 64, not_taken=("out.weight",))
    run.claim(tiny("base"), data, mine)
    assert run.read_init() == mine
    run.claim(tiny("base"), data, mine)
    with pytest.raises(
        UserError, match=r"was started with a different --init-from \(step 2, a{12}\) than this \(step 3"
    ):
        run.claim(tiny("base"), data, mine.model_copy(update={"step": 3}))
    with pytest.raises(UserError, match=r"was started with --init-from \(step 2, a{12}\) and has no checkpoint yet"):
        run.claim(tiny("base"), data)
    run.checkpoints.path_of(1).mkdir(parents=True)
    run.claim(tiny("base"), data)  # its own checkpoint counts
    (run.path / INIT).write_text("{}")
    with pytest.raises(UserError, match=r"init\.json: damaged or from an incompatible version"):
        run.claim(tiny("base"), data)


def test_a_trained_run_does_not_start_from_other_weights(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    run, data = RunFolder(tmp_path / "base"), ShardFolder(shards, "train")
    run.claim(tiny("base"), data)
    run.checkpoints.path_of(1).mkdir(parents=True)
    with pytest.raises(UserError, match="was started without --init-from; use another --runs, or resume without"):
        run.claim(tiny("base"), data, InitRecord(step=2, sha256="a" * 64, not_taken=()))
    assert not (run.path / INIT).exists()
