"""Beyond the photograph nothing is learnt, and samplers paint mid-grey."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from schemas import MID_GREY, Crop, SourceImage
from train.configuration.stage_config import StageConfig
from train.diffusion.conditioning import TryOnInputs, to_uint8
from train.diffusion.objective import diffusion_loss
from train.diffusion.photo import grey_outside, inside_photo
from train.diffusion.schedule import CosineSchedule
from train.inference.cascade import Overrides, TrainedStage, sample_stage
from train.models import build_model
from train.models.condition import Condition

BOXES = torch.tensor([[0.25, 0.0, 0.75, 1.0], [0.0, 0.0, 1.0, 1.0]])


def inside_of(x: int, y: int, width: int, height: int, size: int) -> Tensor:
    picture = SourceImage(path="a.jpg", width=width, height=height, crop=Crop(x=x, y=y, side=100))
    return inside_photo(torch.tensor([picture.photo_box]), (size, size))[0, 0]


def test_a_crop_inside_its_image_has_no_outside() -> None:
    assert inside_of(10, 20, 400, 500, 64).all()
    assert inside_of(0, 0, 100, 100, 256).all()


@pytest.mark.parametrize("size", [16, 50, 128])
def test_pixels_that_reach_beyond_the_image_are_outside(size: int) -> None:
    inside = inside_of(-25, -1, 90, 80, size)  # shows columns 25..115 and rows 1..81 of 100
    columns, rows = inside.any(0).nonzero()[:, 0], inside.any(1).nonzero()[:, 0]
    assert columns[0] * 100 / size >= 25
    assert (columns[0] - 1) * 100 / size < 25
    assert columns[-1] == size - 1
    assert rows[0] == -(-size // 100)
    assert (rows[-1] + 1) * 100 / size <= 81
    assert (rows[-1] + 2) * 100 / size > 81
    assert inside.sum() == len(columns) * len(rows)


def test_grey_is_the_shards_and_only_outside() -> None:
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    result = grey_outside(image, BOXES)
    assert torch.equal(result[1], image[1])
    assert torch.equal(result[0, :, :, 2:6], image[0, :, :, 2:6])
    assert (to_uint8(result)[0, :, :, [0, 1, 6, 7]] == MID_GREY).all()
    assert grey_outside(image, None) is image


def test_the_loss_is_the_mean_over_the_photograph() -> None:
    x, eps, t = torch.rand(2, 3, 8, 8), torch.randn(2, 3, 8, 8), torch.tensor([0.3, 0.6])
    output = torch.randn(2, 3, 8, 8, requires_grad=True)

    def model(z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return output

    condition = Condition(torch.zeros(2, 1), None, None, None, None, None)
    inside = inside_photo(BOXES, (8, 8))
    plain = diffusion_loss(model, x, eps, t, condition, CosineSchedule())
    masked = diffusion_loss(model, x, eps, t, condition, CosineSchedule(), inside=inside)
    assert masked[0].item() == pytest.approx((output - eps)[0, :, :, 2:6].square().mean().item())
    assert masked[1].item() == plain[1].item()  # to the bit
    masked.sum().backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None
    assert not output.grad[0, :, :, [0, 1, 6, 7]].any()
    assert output.grad[0, :, :, 2:6].all()
    nothing = diffusion_loss(model, x, eps, t, condition, CosineSchedule(), inside=torch.zeros(2, 1, 8, 8).bool())
    assert nothing.tolist() == [0, 0]


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpmpp_2m"])
def test_samplers_paint_mid_grey_outside_and_what_they_did_before_elsewhere(
    tiny: Callable[..., StageConfig], sampler: str
) -> None:
    config = tiny("base", f"sampling.sampler={sampler}", "sampling.steps=3")
    torch.manual_seed(0)
    model: nn.Module = build_model(config.model)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    stage = TrainedStage(config, model.eval().requires_grad_(False), 0)
    Ia, Ic = torch.rand(2, 2, 3, config.size, config.size) * 2 - 1
    Jp, Jg = torch.rand(2, 2, 17, 3)
    inputs = TryOnInputs(Ia, Ic, Jp, Jg, None, BOXES)
    images = sample_stage(stage, inputs, 0, [0, 1], Overrides())
    inside = inside_photo(BOXES, (config.size, config.size)).expand(-1, 3, -1, -1)
    assert (to_uint8(images)[~inside] == MID_GREY).all()
    assert (to_uint8(images)[inside] != MID_GREY).float().mean() > 0.5
    before = sample_stage(stage, replace(inputs, photo=None), 0, [0, 1], Overrides())
    assert torch.equal(images[1], before[1])
