"""The operations of a network, counted from its shapes."""

from __future__ import annotations

import pytest
import torch

from train.configuration.presets import preset_config
from train.configuration.stage_config import STAGES, Stage
from train.models import build_model
from train.models.model_config import EfficientUNetConfig
from train.training.flops import flops_per_image, forward_flops


def test_flops_of_a_network_counted_by_hand() -> None:
    config = EfficientUNetConfig(channels=(8,), blocks=(1,), emb_dim=4)
    full, half = 16 * 16, 8 * 8
    convolutions = (
        full * 6 * 8 * 9  # in
        + half * 8 * 8 * 9  # down
        + 2 * half * (2 * 8 * 8 * 9 + 8 * 8)  # a residual block down and one up: two of 3 x 3 and one of 1 x 1
        + full * 8 * 8 * 9  # up
        + full * 8 * 3 * 9  # out
    )
    linear = 2 * 4 * 4 + 4 * 4 + 2 * 4 * 16  # of the levels, of the embedding, and of two FiLMs
    assert forward_flops(config, 16) == 2 * (convolutions + linear)


@pytest.mark.parametrize("stage", STAGES)
def test_flops_are_traced_without_computing_and_training_is_three_passes(stage: Stage) -> None:
    config = preset_config("nano", stage)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in build_model(config.model).parameters())
    found = flops_per_image(config)
    assert found == 3 * forward_flops(config.model, config.crop or config.size)
    assert found > 6 * parameters  # each weight is used at many pixels
