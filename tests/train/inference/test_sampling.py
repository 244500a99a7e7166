"""What sampled files say about themselves, and which weights they come from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import UserError
from schemas import AGNOSTIC
from train.data import ShardFolder
from train.inference.cascade import Overrides, load_cascade
from train.inference.pair_selection import Pair
from train.inference.pasting.paste_back import Region, hidden_in, replaceable
from train.inference.pasting.source_images import SourceImages
from train.inference.sampling import PHOTOGRAPHS, sample_pairs

CPU = torch.device("cpu")
PAIRS = [Pair(0, 1), Pair(2, 1)]


def text(path: Path) -> dict[str, str]:
    with Image.open(path) as picture:
        return {str(key): str(value) for key, value in picture.text.items()}  # type: ignore[attr-defined]


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.array(picture)


def sample(runs: Path, shards: Path, out: Path, pairs: list[Pair], weights: str = "ema") -> ShardFolder:
    data = ShardFolder(shards, "val")
    stages = load_cascade(runs, CPU, weights)  # type: ignore[arg-type]
    overrides = Overrides(steps=3, guidance=1.25)
    done: list[tuple[int, int]] = []
    sample_pairs(
        stages, data, pairs, out, seed=5, overrides=overrides, device=CPU, progress=lambda *at: done.append(at)
    )
    assert done[-1] == (len(pairs), len(pairs))
    return data


def test_images_record_their_provenance(trained: Path, shards: Path, tmp_path: Path) -> None:
    data = sample(trained, shards, tmp_path, PAIRS)
    person, garment = data.keys[2], data.keys[1]
    told = text(tmp_path / f"{person}__{garment}.png")
    assert (told["person"], told["garment"], told["seed"]) == (person, garment, "5")
    assert told["shards"] == data.manifest.fingerprint
    for stage in ("base", "sr256", "sr1024"):
        assert (told[f"{stage}.checkpoint"], told[f"{stage}.weights"]) == ("2", "ema")
        assert (told[f"{stage}.sampler"], told[f"{stage}.steps"], told[f"{stage}.guidance"]) == ("ddim", "3", "1.25")
    assert text(tmp_path / "sheet.png") == {key: told[key] for key in told if key not in ("person", "garment")}


def test_an_image_does_not_depend_on_other_pairs(trained: Path, shards: Path, tmp_path: Path) -> None:
    data = sample(trained, shards, tmp_path / "two", PAIRS)
    sample(trained, shards, tmp_path / "one", PAIRS[1:])
    name = f"{data.keys[2]}__{data.keys[1]}.png"
    assert np.array_equal(pixels(tmp_path / "two" / name), pixels(tmp_path / "one" / name))


@pytest.mark.parametrize("weights", ["ema", "model"])
def test_ema_and_model_weights_can_be_selected(trained: Path, weights: str) -> None:
    from safetensors.torch import load_file

    for stage in load_cascade(trained, CPU, weights):  # type: ignore[arg-type]
        held = load_file(trained / stage.config.stage / "checkpoints/step-00000002" / f"{weights}.safetensors")
        other = {"ema": "model", "model": "ema"}[weights]
        others = load_file(trained / stage.config.stage / "checkpoints/step-00000002" / f"{other}.safetensors")
        state = stage.model.state_dict()
        assert stage.weights == weights
        assert all(torch.equal(state[name], value) for name, value in held.items())
        assert not all(torch.equal(state[name], value) for name, value in others.items())


def test_on_a_full_disk_no_image_is_left_half_written_and_older_ones_stay(
    trained: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    data = sample(trained, shards, tmp_path, PAIRS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / f"{data.keys[2]}__{data.keys[1]}.png").unlink()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"--out .*: No space left on device; free some space"):
        sample(trained, shards, tmp_path, PAIRS)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left.items() < before.items()


def test_a_folder_that_cannot_be_made_is_the_users_mistake(trained: Path, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*Not a directory"):
        sample(trained, shards, tmp_path / "file/out", PAIRS)


def sample_whole(trained: Path, shards: Path, src: Path, out: Path) -> ShardFolder:
    data = ShardFolder(shards, "val")
    sample_pairs(
        load_cascade(trained, CPU), data, PAIRS, out, seed=5, overrides=Overrides(steps=1), device=CPU,
        progress=lambda *_: None, photographs=SourceImages(src),
    )  # fmt: skip
    return data


def test_whole_photographs_keep_all_that_is_not_hidden(trained: Path, shards: Path, tmp_path: Path) -> None:
    aihub = shards.parent / "aihub"
    data = sample_whole(trained, shards, aihub, tmp_path)
    squares = sorted(path.name for path in tmp_path.glob("*.png") if path.name != "sheet.png")
    assert sorted(path.name for path in (tmp_path / PHOTOGRAPHS).iterdir()) == squares
    for pair in PAIRS:
        picture = data.sample(pair.person).person
        whole = tmp_path / PHOTOGRAPHS / f"{data.keys[pair.person]}__{data.keys[pair.garment]}.png"
        before, after = pixels(aihub / picture.path), pixels(whole)
        may = replaceable(
            hidden_in(data.image(pair.person, AGNOSTIC)), Region.of(picture.crop), (len(before), before.shape[1])
        )
        assert np.array_equal(after[~may], before[~may])
        assert (after[may] != before[may]).any(axis=1).mean() > 0.05
        assert text(whole) == text(tmp_path / whole.name)


def test_a_missing_photograph_is_found_out_before_sampling(trained: Path, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--src .*: no .*\.jpg in it"):
        sample_whole(trained, shards, tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_guidance_interval_changes_the_image_and_is_recorded(trained: Path, shards: Path, tmp_path: Path) -> None:
    stages, data = load_cascade(trained, CPU)[:1], ShardFolder(shards, "val")
    images = {}
    for interval in (None, (0.0, 0.4), (0.0, 1.0)):
        overrides = Overrides(steps=3, guidance=3.0, guidance_interval=interval)
        overrides.refuse_impossible(stages)
        out = tmp_path / str(interval)
        sample_pairs(
            stages, data, PAIRS[:1], out, seed=5, overrides=overrides, device=CPU, progress=lambda *_: None
        )  # fmt: skip
        (file,) = out.glob("*__*.png")
        with Image.open(file) as image:
            images[interval] = image.tobytes()
            recorded = image.text.get("base.guidance_interval")  # type: ignore[attr-defined]
            assert recorded == ("(0.0, 0.4)" if interval == (0.0, 0.4) else None)
    assert images[None] == images[0.0, 1.0] != images[0.0, 0.4]
    for refused in (Overrides(guidance_interval=(0.5, 0.5)), Overrides(guidance=1, guidance_interval=(0.1, 0.5))):
        with pytest.raises(UserError, match="--guidance-interval"):
            refused.refuse_impossible(stages)
