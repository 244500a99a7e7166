"""Which checkpoint a command loads: the best, the last, or that of a step."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from in_process import Ended, run_here
from PIL import Image
from safetensors.torch import load_file

from common.errors import UserError
from train.cli import main
from train.configuration.stage_config import STAGES, StageConfig
from train.data import ShardFolder
from train.inference.cascade import load_cascade
from train.inference.exporting import export_cascade
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import LAST, CheckpointChoice
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(shards: Path, tiny: TinyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base stage with checkpoints of three steps; the first one is made the best."""
    folder = tmp_path_factory.mktemp("choice")
    config = tiny("base", "steps=3", "checkpoint.every=1", "checkpoint.keep=3", "validation.every=1")
    data = ShardFolder(shards, "train")
    assert fit_stage(config, data, folder / "base", lambda _: None, lambda: False, ShardFolder(shards, "val"))
    metrics = folder / "base/metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    for line in lines:
        if "validation" in line:
            line["validation"] = float(line["step"])
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_parsing() -> None:
    assert CheckpointChoice.parse([]) == LAST
    choice = CheckpointChoice.parse(["best", "sr256=2000"])
    assert [choice.of(stage) for stage in STAGES] == ["best", 2000, "best"]


@pytest.mark.parametrize("words", ["newest", "-1", "²", "base", "sr512=3", "base=best=1", "1 best", "base=1 base=2"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(UserError, match="--checkpoint"):
        CheckpointChoice.parse(words.split())


@pytest.mark.parametrize(("word", "step"), [("best", 1), ("last", 3), ("2", 2), ("base=2", 2)])
def test_the_chosen_weights_are_loaded(runs: Path, word: str, step: int) -> None:
    (stage,) = load_cascade(runs, CPU, checkpoint=CheckpointChoice.parse([word]))
    assert stage.step == step
    stored = load_file(runs / f"base/checkpoints/step-{step:08d}/ema.safetensors")
    assert all(torch.equal(value, stored[name]) for name, value in stage.model.named_parameters())


def refused(runs: Path, word: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        load_cascade(runs, CPU, checkpoint=CheckpointChoice.parse([word]))


def test_what_does_not_exist_is_refused_with_what_does(runs: Path, tmp_path: Path) -> None:
    refused(runs, "4", r"no checkpoint of step 4; those that exist: 1, 2, 3")
    refused(runs, "sr256=1", r"there is no sr256 in .*, only base")
    shutil.copytree(runs, tmp_path / "runs")
    run = RunFolder(tmp_path / "runs/base")
    chosen = run.checkpoints.path_of(1) / "ema.safetensors"
    data = bytearray(chosen.read_bytes())
    data[-1] ^= 1
    chosen.write_bytes(data)
    refused(tmp_path / "runs", "1", r"step-00000001: damaged \(ema.safetensors differs")
    refused(tmp_path / "runs", "best", "damaged")  # another one is not what was asked for
    (run.path / "metrics.jsonl").unlink()
    refused(tmp_path / "runs", "best", "no intact checkpoint has a validation loss")


def trainer(*arguments: object, cwd: Path) -> Ended:
    return run_here(main, *map(str, arguments), cwd=cwd)


def test_the_commands_take_it(runs: Path, shards: Path, tmp_path: Path) -> None:
    sample = ("sample", "--runs", runs, "--shards", shards, "--pairs", 1, "--out")
    done = trainer(*sample, tmp_path / "best", "--checkpoint", "best", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "best/sheet.png") as sheet:
        assert sheet.text["base.checkpoint"] == "1"  # type: ignore[attr-defined]
    done = trainer("export", "--runs", runs, "--out", tmp_path / "export", "--checkpoint", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "export/cascade.json").read_text())["stages"][0]["step"] == 2
    done = trainer(*sample, tmp_path / "none", "--checkpoint", "soon", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert re.search(r"--checkpoint soon: give best, last or a step", done.stderr)


def test_an_export_is_opened_as_runs_are(runs: Path, tmp_path: Path) -> None:
    export_cascade(load_cascade(runs, CPU, checkpoint=CheckpointChoice(2)), tmp_path / "export", None)
    (stage,) = open_cascade(tmp_path / "export", CPU)
    assert (stage.step, stage.weights) == (2, "ema")
    with pytest.raises(UserError, match="has the EMA weights alone"):
        open_cascade(tmp_path / "export", CPU, "model")
    with pytest.raises(UserError, match="one checkpoint a stage"):
        open_cascade(tmp_path / "export", CPU, checkpoint=CheckpointChoice("best"))
