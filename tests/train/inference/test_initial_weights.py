"""Where initial weights are found, and which of them fit a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES, StageConfig
from train.inference.cascade import load_cascade
from train.inference.exporting import CASCADE, export_cascade
from train.inference.initial_weights import InitialWeights, find_initial_weights
from train.models import build_model
from train.runs.checkpoint_folder import sha256_of
from train.runs.run_folder import InitRecord, RunFolder
from train.runs.tensors import load_tensors, save_tensors

TinyConfig = Callable[..., StageConfig]


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "cascade"
    export_cascade(load_cascade(trained, torch.device("cpu")), folder, None)
    return folder


def found(source: Path, config: StageConfig, recorded: InitRecord | None = None) -> InitialWeights:
    weights = find_initial_weights(source, config, recorded)
    assert weights is not None
    return weights


@pytest.mark.parametrize("stage", STAGES)
def test_runs_a_run_and_their_export_are_the_same_source(
    trained: Path, exported: Path, tiny: TinyConfig, stage: str
) -> None:
    config = tiny(stage)
    expected, _ = RunFolder(trained / stage).checkpoints.load_weights("ema")
    all_found = [found(source, config) for source in (trained, trained / stage, exported)]
    assert len({one.record for one in all_found}) == 1
    assert all_found[0].record.step == 2
    assert all_found[0].record.not_taken == ()
    for one in all_found:
        tensors = one.load()
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_one_line_counts_and_names_what_does_not_fit(trained: Path, tiny: TinyConfig) -> None:
    config = tiny("base", "model.warp=false", "model.copies=false", "diffusion.warp_loss=0")
    weights = found(trained, config)
    parameters = dict(build_model(config.model).named_parameters())
    taken = sum(parameters[name].numel() for name in weights.taken)
    total = sum(parameter.numel() for parameter in parameters.values())
    assert 0 < taken < total
    assert f"{taken:,} of {total:,} parameters, {len(weights.taken)} of {len(parameters)} tensors" in weights.message
    assert weights.message.startswith(f"base: starts from the EMA weights of step 2 in {trained}: ")
    name = weights.record.not_taken[0]
    assert f"not taken: {name} (" in weights.message
    assert f"{tuple(parameters[name].shape)} here)" in weights.message
    assert "\n" not in weights.message


def test_another_size_takes_all_weights() -> None:
    """As docs/guides/training.md says of nano."""
    twice = ["size=128", "model.image_size=128", "model.attention_levels=[32,16]"]
    with torch.device("meta"):
        small, large = (build_model(stage_config("nano", "base", None, more).model) for more in ([], twice))
    shapes_of = [{name: p.shape for name, p in model.named_parameters()} for model in (small, large)]
    assert shapes_of[0] == shapes_of[1]


def test_a_stage_that_the_source_lacks_is_none(trained: Path, exported: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    assert find_initial_weights(trained / "base", tiny("sr256"), None) is None
    shutil.copytree(trained / "base", tmp_path / "runs/base")
    assert find_initial_weights(tmp_path / "runs", tiny("sr256"), None) is None
    shutil.copytree(exported, tmp_path / "export")
    values = json.loads((tmp_path / "export" / CASCADE).read_text())
    values["stages"] = values["stages"][:1]
    (tmp_path / "export" / CASCADE).write_text(json.dumps(values))
    assert find_initial_weights(tmp_path / "export", tiny("sr256"), None) is None


def test_the_recorded_checkpoint_is_preferred_to_a_later_one(trained: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    first = found(trained, tiny("base")).record
    checkpoints = tmp_path / "base/checkpoints"
    shutil.copytree(trained / "base", tmp_path / "base")
    shutil.copytree(checkpoints / "step-00000002", later := checkpoints / "step-00000003")
    state = json.loads((later / "state.json").read_text())
    (later / "state.json").write_text(json.dumps({**state, "step": 3}))
    assert found(tmp_path, tiny("base")).record.step == 3
    assert found(tmp_path, tiny("base"), first).record == first


def test_mistakes_are_one_line(trained: Path, exported: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    with pytest.raises(UserError, match=r"^--init-from .*nowhere: no such folder"):
        find_initial_weights(tmp_path / "nowhere", tiny("base"), None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"neither run folders \(base, sr256, sr1024\) nor .* nor an export's"):
        find_initial_weights(tmp_path / "empty", tiny("base"), None)
    shutil.copytree(exported, tmp_path / "export")
    path = tmp_path / "export/base.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="damaged: not the file that was exported"):
        find_initial_weights(tmp_path / "export", tiny("base"), None)
    values = json.loads((tmp_path / "export" / CASCADE).read_text())
    save_tensors({f"module.{name}": value for name, value in load_tensors(exported / path.name).items()}, path)
    values["stages"][0]["sha256"] = sha256_of(path)
    (tmp_path / "export" / CASCADE).write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"base: --init-from .*: none of its \d+ tensors has the name and shape"):
        find_initial_weights(tmp_path / "export", tiny("base"), None)
