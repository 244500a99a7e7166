"""torch.compile captures every preset's network with guidance as a single graph."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from train.diffusion.guidance import guided_condition, guided_output
from train.models import PRESETS, ModelConfig, ParallelUNetConfig, build_model
from train.models.condition import Condition

torch.set_num_threads(1)


def empty_inputs(config: ModelConfig) -> tuple[Tensor, Tensor, Condition]:
    """z_t, t and a condition, on torch's current default device."""
    side = config.image_size if isinstance(config, ParallelUNetConfig) else 64
    image = torch.empty(2, 3, side, side)
    if not isinstance(config, ParallelUNetConfig):
        return image, torch.empty(2), Condition(torch.empty(2, 1), low_res=image)
    pose = torch.empty(2, config.keypoints, 3)
    low_res = image if config.low_res_channels else None
    t_na = torch.empty(2, config.condition_images)
    return image, torch.empty(2), Condition(t_na, image, image, pose, pose, low_res)


def graphs_and_breaks(config: ModelConfig) -> tuple[int, int]:
    torch._dynamo.reset()
    with torch.device("meta"):
        model = build_model(config)

        def guided(z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
            return guided_output(model, z_t, t, guided_condition(condition, 2.0), 2.0)

        explanation = torch._dynamo.explain(guided)(*empty_inputs(config))
    return explanation.graph_count, explanation.graph_break_count


@pytest.mark.slow
def test_a_guided_network_is_one_graph() -> None:
    preset = PRESETS["nano"]["sr1024"]
    assert graphs_and_breaks(preset.model_copy(update={"channels": (16, 32), "blocks": (1, 1)})) == (1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
@pytest.mark.parametrize("preset", ["nano", "small", "paper"])
def test_a_guided_preset_is_one_graph(preset: str, stage: str) -> None:
    assert graphs_and_breaks(PRESETS[preset][stage]) == (1, 0)


@pytest.mark.slow
def test_a_static_garment_unet_is_one_graph() -> None:
    config = PRESETS["nano"]["base"].model_copy(update={"garment_film": "static"})
    assert graphs_and_breaks(config) == (1, 0)


@pytest.mark.slow
def test_limb_maps_and_warp_are_one_graph() -> None:
    config = PRESETS["nano"]["base"].model_copy(update={"pose_maps": True, "warp": True})
    assert graphs_and_breaks(config) == (1, 0)
