"""The last stage's image has the garment's detail where the second stage copies it, and shows what Ia shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from schemas import MID_GREY
from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.detail import copies_detail, with_detail
from train.inference.dress import Outfit, dress, inputs_of, try_on_inputs
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of
from train.models import ParallelUNet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stages(trained: Path) -> list[TrainedStage]:
    """Return a cascade whose second stage copies everything that the warp covers."""
    base, second, last = load_cascade(trained, CPU)
    assert isinstance(second.model, ParallelUNet)
    assert second.model.copy is not None
    with torch.no_grad():
        head = second.model.copy.weights.conv
        head.weight.zero_()
        assert head.bias is not None
        head.bias.zero_()
        head.bias[-(second.model.config.patch**2) :].fill_(-20.0)
    return [base, second, last]


@pytest.fixture(scope="module")
def outfit(shards: Path) -> Outfit:
    return outfit_of(ShardFolder(shards, "val"), Pair(0, 0))


def without_detail(stages: list[TrainedStage]) -> list[TrainedStage]:
    last = stages[-1].config
    plain = last.model_copy(update={"sampling": last.sampling.model_copy(update={"copy_detail": False})})
    return [*stages[:-1], replace(stages[-1], config=plain)]


def sharpness(image: np.ndarray, where: np.ndarray) -> float:
    grey = image.astype(float).mean(2)
    return float((np.square(np.diff(grey, axis=0))[:, 1:] + np.square(np.diff(grey, axis=1))[1:])[where[1:, 1:]].mean())


def test_a_print_of_one_pixel_lines_is_in_the_last_image(stages: list[TrainedStage], outfit: Outfit) -> None:
    Ic = outfit.Ic.copy()
    garment = (Ic != MID_GREY).any(2)
    lines = np.where(np.arange(len(Ic))[:, None, None] % 4 < 2, 230, 30).astype(np.uint8)
    Ic[garment] = np.broadcast_to(lines, Ic.shape)[garment]
    striped = replace(outfit, Ic=Ic)
    with_it, plain = (
        dress(some, [striped], seed=0, overrides=Overrides(), device=CPU)[0]
        for some in (stages, without_detail(stages))
    )
    assert all(np.array_equal(a, b) for a, b in zip(with_it[:2], plain[:2], strict=True))
    hidden = (outfit.Ia == MID_GREY).all(2)
    assert sharpness(with_it[2], hidden) > 3 * sharpness(plain[2], hidden)


def test_what_ia_shows_is_in_the_last_image_byte_for_byte(stages: list[TrainedStage], outfit: Outfit) -> None:
    image = dress(stages, [outfit], seed=0, overrides=Overrides(), device=CPU)[0][2]
    fine = try_on_inputs([outfit], 256, CPU)
    assert fine.Ia is not None
    shown = (np.abs(outfit.Ia.astype(int) - MID_GREY) > 1).any(2)
    shown[100:] = False  # above the band of the hem
    assert shown.sum() > 1000
    assert np.array_equal(image[shown], outfit.Ia[shown])
    other = dress(without_detail(stages), [outfit], seed=0, overrides=Overrides(), device=CPU)[0][2]
    assert not np.array_equal(other[shown], outfit.Ia[shown])


def test_where_nothing_is_copied_the_last_stage_paints(stages: list[TrainedStage], outfit: Outfit) -> None:
    nothing = replace(outfit, Jg=np.zeros_like(outfit.Jg))
    base, second, last = stages
    own = replace(inputs_of(second, [nothing], CPU), low_res=torch.zeros(1, 3, 64, 64))
    fine = try_on_inputs([nothing], 256, CPU)
    image = torch.rand(1, 3, 256, 256) * 2 - 1
    result = with_detail(image, second, own, torch.zeros(1, 3, 128, 128), fine, 0, [1], Overrides())
    hidden = torch.from_numpy((nothing.Ia == MID_GREY).all(2))
    inner = F.max_pool2d((~hidden)[None, None].float(), 3, 1, 1)[0, 0] == 0
    left, top, right, bottom = (round(256 * edge) for edge in nothing.photo)
    inside = torch.zeros_like(inner)
    inside[top:bottom, left:right] = True
    assert torch.equal(result[0][:, inner & inside], image[0][:, inner & inside])
    assert copies_detail(second, last)
    assert not copies_detail(base, second)
    assert not copies_detail(second, without_detail(stages)[-1])
