"""Presets of each stage's settings: one recipe in three sizes (nano, small, large), and the paper's own (paper)."""

from __future__ import annotations

from typing import Any, Literal

from train.configuration.stage_config import Stage, StageConfig
from train.models import PRESETS as MODELS

Preset = Literal["nano", "small", "large", "paper"]

_PAPER_SIZES: dict[Stage, dict[str, Any]] = {
    "base": {"size": 128},
    "sr256": {"size": 256, "low_res": 128},
    "sr1024": {"size": 1024, "low_res": 256, "crop": 256},
}
_SIZES: dict[Preset, dict[Stage, dict[str, Any]]] = {
    "nano": {
        "base": {"size": 64},
        "sr256": {"size": 128, "low_res": 64},
        "sr1024": {"size": 256, "low_res": 128, "crop": 64},
    },
    "small": {
        "base": {"size": 64},
        "sr256": {"size": 128, "low_res": 64},
        "sr1024": {"size": 512, "low_res": 128, "crop": 256},
    },
    "large": _PAPER_SIZES,
    "paper": _PAPER_SIZES,
}

_PAPER_SAMPLING: dict[Stage, dict[str, Any]] = {
    "base": {"sampler": "ddpm", "steps": 256},
    "sr256": {"sampler": "ddpm", "steps": 128},
    "sr1024": {"sampler": "ddim", "steps": 32},
}

# What learns in minutes on drawn people and in hours on photographs, where the paper's recipe still gives noise
# (docs/measurements/learning.md): x-prediction about the known image, garment pixels copied by a learnt warp, the loss
# where Ia hides and on its edges, times concentrated where the garment is learnt, Muon, few steps of a second-order
# sampler. In so few steps noise on the low-resolution input would still be in the image.
_RECIPE: dict[str, Any] = {
    "optim": {"name": "muon", "decay": "cosine", "betas": (0.9, 0.99)},
    "diffusion": {"schedule": "cosine", "prediction": "x", "drop": 0.0, "t_shift": 3.0, "augmentation": 0.1},
    "sampling": {"sampler": "dpmpp_2m", "grid": "time", "guidance": 1.0, "low_res_noise": 0.0, "steps": 2},
}
_PAINTS: dict[str, Any] = {"hide_hem": True, "keep_shown": True, "warp_loss": 1.0}
_RECIPE_STAGES: dict[Stage, dict[str, Any]] = {
    "base": {"diffusion": {"residual_std": 0.5, "shown_std": 0.1, "augmentation": 0.0, "edge_loss": 1.0, **_PAINTS}},
    "sr256": {
        "grow": True,
        "diffusion": {"residual_std": 0.1, "own_low_res": 1.0, "own_low_res_error": 1.0, **_PAINTS},
    },
    "sr1024": {"diffusion": {"residual_std": 0.1}, "sampling": {"copy_detail": True}},
}

_NANO: dict[str, Any] = {
    "optim": {"lr": 3e-3, "warmup": 100},
    "checkpoint": {"every": 200},
    "validation": {"every": 200},
}
_NANO_STAGES: dict[Stage, dict[str, Any]] = {
    "base": {"steps": 600, "data": {"batch": 8}, "sampling": {"steps": 1}},
    "sr256": {"steps": 60, "data": {"batch": 8}, "optim": {"lr": 3e-4, "warmup": 10}, "sampling": {"steps": 1}},
    "sr1024": {"steps": 120, "data": {"batch": 16}, "optim": {"lr": 1e-3}},
}

# About a day on a 24 GB card of 2024, two on a T4, a week if that reaches a tenth of its peak
# (docs/measurements/scaling.md).
_SMALL: dict[str, Any] = {
    "optim": {"lr": 5e-4, "warmup": 1000},
    "ema": 0.999,
    "validation": {"every": 2000, "sheet_every": 10_000},
    "checkpoint": {"every": 2000},
}
_SMALL_STAGES: dict[Stage, dict[str, Any]] = {
    "base": {"steps": 200_000, "data": {"batch": 64}},
    "sr256": {"steps": 100_000, "data": {"batch": 64}},
    "sr1024": {"steps": 60_000, "data": {"batch": 64}},
}
_LARGE: dict[str, Any] = {
    "optim": {"lr": 3e-4, "warmup": 5000},
    "validation": {"every": 5000, "sheet_every": 20_000},
    "checkpoint": {"every": 2000},
}
# Beside the second stage the weights of the first would take 4.5 GB of a card.
_LARGE_STAGES: dict[Stage, dict[str, Any]] = {
    "base": {},
    "sr256": {"grow": False, "diffusion": {"own_low_res": 0.0, "own_low_res_error": 0.0}},
    "sr1024": {},
}


def preset_values(preset: Preset, stage: Stage) -> dict[str, Any]:
    """Return the preset's values for the stage, as nested dictionaries for StageConfig."""
    values: dict[str, Any] = {"stage": stage, "preset": preset, **_SIZES[preset][stage]}
    values["model"] = MODELS[preset][stage].model_dump()
    values["sampling"] = dict(_PAPER_SAMPLING[stage])
    values["diffusion"] = {"schedule": "linear" if stage == "sr1024" else "cosine"}
    values["steps"] = 500_000
    if preset != "paper":
        values = merged(values, merged(_RECIPE, _RECIPE_STAGES[stage]))
    own: dict[Preset, list[dict[str, Any]]] = {
        "nano": [_NANO, _NANO_STAGES[stage]],
        "small": [_SMALL, _SMALL_STAGES[stage]],
        "large": [_LARGE, _LARGE_STAGES[stage]],
        "paper": [],
    }
    for over in own[preset]:
        values = merged(values, over)
    return values


def merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return nested ``values`` recursively updated with those of ``over``."""
    result = dict(values)
    for key, value in over.items():
        base = result.get(key)
        result[key] = merged(base, value) if isinstance(base, dict) and isinstance(value, dict) else value
    return result


def preset_config(preset: Preset, stage: Stage) -> StageConfig:
    """Return the preset's validated settings for the stage."""
    return StageConfig.model_validate(preset_values(preset, stage))
