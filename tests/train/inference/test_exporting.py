"""An exported cascade: its card's code gives the pictures that `trainer sample` gives; nothing half is left behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forked_programs import ForkedPrograms
from PIL import Image

from common.errors import UserError
from schemas import AGNOSTIC, GARMENT, JG, JP
from train import TryOnCascade
from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.exporting import CARD, CASCADE, export_cascade
from train.inference.pair_selection import Pair
from train.inference.sampling import sample_pairs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stages(trained: Path) -> list[TrainedStage]:
    return load_cascade(trained, CPU)


@pytest.fixture(scope="module")
def exported(stages: list[TrainedStage], shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handed on") / "export"
    export_cascade(stages, folder, ShardFolder(shards, "train").manifest)
    return folder


def test_the_model_cards_code_gives_the_sampled_image(
    exported: Path, stages: list[TrainedStage], shards: Path, tmp_path: Path, programs: ForkedPrograms
) -> None:  # fmt: skip
    data, pair = ShardFolder(shards, "val"), Pair(2, 1)
    sample_pairs(
        stages, data, [pair], tmp_path, seed=0, overrides=Overrides(), device=CPU, progress=lambda *_: None
    )  # fmt: skip
    for position, member in ((2, AGNOSTIC), (1, GARMENT), (2, JP), (1, JG)):
        (exported.parent / member).write_bytes(data.read(position, member)[0])
    (code,) = re.findall(r"```python\n(.*?)```", (exported / CARD).read_text(encoding="utf-8"), flags=re.DOTALL)
    done = programs.run("-c", code, cwd=exported.parent)
    assert (done.returncode, done.stderr) == (0, "")
    with (
        Image.open(exported.parent / "dressed.png") as dressed,
        Image.open(tmp_path / f"{data.keys[2]}__{data.keys[1]}.png") as sampled,
    ):
        assert np.array_equal(np.array(dressed), np.array(sampled))


def test_the_readmes_example_matches_the_model_card(exported: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for line in block.splitlines() if line]
    assert len(lines) == 3
    card = (exported / CARD).read_text(encoding="utf-8")
    assert set(lines[:2]) <= set(card.splitlines())
    assert lines[2].startswith('cascade.try_on("me.jpg", "shirt.jpg")')
    assert '`cascade.try_on("me.jpg", "shirt.jpg")`' in card


def test_weights_are_as_readable_as_the_card(exported: Path) -> None:
    modes = {path.name: path.stat().st_mode for path in exported.iterdir()}
    assert set(modes) == {CARD, CASCADE, "base.safetensors", "sr256.safetensors", "sr1024.safetensors"}
    assert set(modes.values()) == {modes[CARD]}


def test_the_card_names_the_training_data(exported: Path, shards: Path) -> None:
    card = (exported / CARD).read_text(encoding="utf-8")
    manifest = ShardFolder(shards, "train").manifest
    assert manifest.fingerprint in card
    assert f"{manifest.samples_by_split['train']:,} samples" in card
    assert re.search(r"\| base \| nano \| 64² \| [\d,]+ \| 2 × 2 \| fp32 \| 0.9999 \|", card)
    assert "| sr1024 | nano | 128² → 256² |" in card


def test_a_card_without_shards_states_unknown_data(stages: list[TrainedStage], tmp_path: Path) -> None:
    export_cascade(stages[:1], tmp_path, None)  # an empty folder is as good as none
    assert "Unknown: a run folder does not record a description of its shards" in (tmp_path / CARD).read_text(
        encoding="utf-8"
    )
    assert [stage.config.stage for stage in TryOnCascade.load(tmp_path, "cpu").stages] == ["base"]


def test_a_folder_that_is_not_empty_is_refused(stages: list[TrainedStage], tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        export_cascade(stages, tmp_path, None)
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_failed_export_leaves_nothing(
    stages: list[TrainedStage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train.inference.exporting.model_card", full)
    with pytest.raises(UserError, match="No space left on device"):
        export_cascade(stages, tmp_path / "out", None)
    assert not list(tmp_path.iterdir())


def test_damaged_exports_are_reported(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"neither {CASCADE} nor a run folder"):
        TryOnCascade.load(tmp_path, "cpu")
    (tmp_path / CASCADE).write_bytes((exported / CASCADE).read_bytes())
    with pytest.raises(UserError, match=r"base\.safetensors: missing"):
        TryOnCascade.load(tmp_path, "cpu")
    (tmp_path / "base.safetensors").write_bytes((exported / "base.safetensors").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"base\.safetensors: damaged"):
        TryOnCascade.load(tmp_path, "cpu")
    (tmp_path / CASCADE).write_text(json.dumps({"schema_version": 2}))
    with pytest.raises(UserError, match="damaged or from an incompatible version"):
        TryOnCascade.load(tmp_path, "cpu")


def test_array_views_are_accepted(exported: Path) -> None:
    cascade = TryOnCascade.load(exported, "cpu")
    bgr = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    pose = np.zeros((17, 3))
    view, copy = bgr[..., ::-1], bgr[..., ::-1].copy()
    assert np.array_equal(cascade.dress(view, view, pose, pose), cascade.dress(copy, copy, pose, pose))


def test_a_whole_photograph_is_dressed(exported: Path, shards: Path) -> None:
    cascade, data = TryOnCascade.load(exported, "cpu"), ShardFolder(shards, "val")
    sample = data.sample(0)
    with Image.open(shards.parent / "aihub" / sample.person.path) as image:
        photograph = np.array(image)
    inputs = data.image(0, AGNOSTIC), data.image(1, GARMENT), data.pose(0, JP), data.pose(1, JG)
    whole = cascade.dress_photograph(photograph, sample.person.crop, *inputs, seed=3)
    again = cascade.dress_photograph(photograph, sample.person.crop, *inputs, seed=3)
    assert np.array_equal(whole, again)
    changed = (whole != photograph).any(axis=2)
    crop = sample.person.crop
    inside = np.zeros_like(changed)
    inside[max(0, crop.y) : crop.y + crop.side, max(0, crop.x) : crop.x + crop.side] = True
    assert changed.any()
    assert not changed[~inside].any()
    with pytest.raises(ValueError, match="lies outside of the photograph"):
        cascade.dress_photograph(photograph, crop.model_copy(update={"x": 9000}), *inputs)
    with pytest.raises(ValueError, match="photograph is uint8"):
        cascade.dress_photograph(photograph[..., 0], crop, *inputs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Ia": np.zeros((8, 8, 3), np.float32)}, "Ia is float32"),
        ({"Ic": np.zeros((8, 9, 3), np.uint8)}, r"Ic is uint8 \(8, 9, 3\)"),
        ({"Jp": np.full((17, 3), 2.0)}, r"Jp: a pose lies in \[0, 1\]"),
        ({"Jg": np.zeros((18, 3))}, "Jg: a pose is float32"),
    ],
)
def test_other_inputs_are_refused(exported: Path, change: dict[str, Any], said: str) -> None:
    picture, pose = np.zeros((32, 32, 3), np.uint8), np.zeros((17, 3))
    given = {"Ia": picture, "Ic": picture, "Jp": pose, "Jg": pose, **change}
    with pytest.raises(ValueError, match=said):
        TryOnCascade.load(exported, "cpu").dress(**given)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, train; assert 'torch' not in sys.modules; import pytest\n"
    code += "with pytest.raises(AttributeError): train.nothing"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
