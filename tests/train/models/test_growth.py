"""A second stage that starts from the first one's weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from train.configuration.presets import preset_config
from train.models import build_model
from train.models.condition import Condition
from train.models.growth import can_grow, grown
from train.models.model_config import ParallelUNetConfig
from train.models.warp.copying import split_copied


def shapes(preset: str, **changes: object) -> tuple[ParallelUNetConfig, ParallelUNetConfig]:
    """Return narrow shapes of a preset's first two stages."""
    narrow = {
        "channels": (8, 16, 24),
        "person_down": (1, 1, 1),
        "garment_down": (1, 1, 1),
        "head_dim": 8,
        "pose_dim": 8,
    }
    narrow |= {"film_dim": 16, "garment_up": (1, 1), **changes}
    found = []
    for stage in ("base", "sr256"):
        model = preset_config(preset, stage).model  # type: ignore[arg-type]
        assert isinstance(model, ParallelUNetConfig)
        found.append(model.model_copy(update=narrow))
    return found[0], found[1]


def condition(levels: int, low_res: Tensor | None = None) -> Condition:
    """Return conditions of 128² that are constant over 2×2 pixels, or of 64² without a low-resolution image."""
    generator = torch.Generator().manual_seed(1)
    Ia, Ic = (torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    Jp, Jg = (torch.rand(2, 17, 3, generator=generator) for _ in range(2))
    if low_res is not None:
        Ia, Ic = (F.interpolate(image, scale_factor=2) for image in (Ia, Ic))
    return Condition(torch.zeros(2, levels), Ia, Ic, Jp, Jg, low_res)


@pytest.mark.parametrize("preset", ["nano", "small"])
def test_it_copies_what_the_first_stage_copies_from_noise(preset: str) -> None:
    before, after = shapes(preset)
    torch.manual_seed(0)
    first = build_model(before)
    for parameter in first.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.normal_(first.get_parameter("copy.weights.conv.weight"))
    second = build_model(after)
    second.load_state_dict(grown(first.state_dict(), before, after))
    z_1, one = torch.zeros(2, 3, 64, 64), torch.ones(2)
    with torch.no_grad():
        old = split_copied(first(z_1, one, condition(2)))
        # Neither its noise nor its time nor the low-resolution image has an effect yet.
        noise = torch.randn(2, 3, 128, 128)
        new = split_copied(second(noise, torch.rand(2), condition(3, low_res=torch.randn(2, 3, 128, 128))))
    assert old is not None
    assert new is not None
    assert torch.equal(new.painted, torch.zeros_like(new.painted))
    # Where the warp falls between pixels, the finer grid reads other places than the coarse one's mean.
    assert old.weight.std() > 0.01
    assert (F.avg_pool2d(new.weight, 2) - old.weight).abs().mean() < 0.2 * old.weight.std()


def test_every_weight_learns() -> None:
    before, after = shapes("nano")
    second = build_model(after)
    second.load_state_dict(grown(build_model(before).state_dict(), before, after))
    output = second(torch.randn(2, 3, 128, 128), torch.rand(2), condition(3, low_res=torch.randn(2, 3, 128, 128)))
    (output[:, :3] - 1.0).square().mean().backward()
    optimiser = torch.optim.SGD(second.parameters(), lr=0.1)
    optimiser.step()
    optimiser.zero_grad()
    output = second(torch.randn(2, 3, 128, 128), torch.rand(2), condition(3, low_res=torch.randn(2, 3, 128, 128)))
    (output[:, :3] - 1.0).square().mean().backward()
    first_layer = second.get_parameter("person.down.0.resample.weight").grad
    assert first_layer is not None
    for image in range(2):  # z_t and low_res
        assert first_layer[:, 48 * image : 48 * (image + 1)].abs().max() > 0


def test_only_the_same_network_grows() -> None:
    before, after = shapes("nano")
    assert can_grow(before, after)
    assert not can_grow(after, after)
    assert not can_grow(before, before)
    assert not can_grow(before, after.model_copy(update={"film_dim": 32}))
    assert not can_grow(before, after.model_copy(update={"patch": 2}))
    assert not can_grow(before.model_copy(update={"copies": False}), after.model_copy(update={"copies": False}))
    large = [preset_config("large", stage).model for stage in ("base", "sr256", "sr1024")]
    assert not can_grow(large[0], large[1])
    assert not can_grow(large[1], large[2])
