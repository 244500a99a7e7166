"""How large a stage's checkpoints are, without building its network."""

from __future__ import annotations

import torch

from train.configuration.stage_config import StageConfig
from train.models import build_model
from train.training.optim.update import make_optimizer


def checkpoint_bytes(config: StageConfig) -> int:
    """Return the bytes of one checkpoint: weights, EMA weights and the optimizer's moments, in float32."""
    with torch.device("meta"):
        model = build_model(config.model)
        groups = make_optimizer(model.parameters(), config.optim).param_groups
    moments = 0
    for group in groups:
        one = group.get("muon") or config.optim.name == "adafactor"  # whose factors are at most that
        moments += (1 if one else 2) * sum(parameter.numel() for parameter in group["params"])
    return 4 * (2 * sum(parameter.numel() for parameter in model.parameters()) + moments)


def space_for(config: StageConfig) -> int:
    """Return the bytes of a run's checkpoints at most: the last ones, the best, the last good, one in writing."""
    return checkpoint_bytes(config) * (config.checkpoint.keep + 3)
