"""Presets of each stage's settings: for a laptop (nano), for one 16 GB GPU (small), and as in the paper (paper)."""

from __future__ import annotations

from typing import Any, Literal

from train.configuration.stage_config import Stage, StageConfig
from train.models import PRESETS as MODELS

Preset = Literal["nano", "small", "paper"]

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
    "paper": {
        "base": {"size": 128},
        "sr256": {"size": 256, "low_res": 128},
        "sr1024": {"size": 1024, "low_res": 256, "crop": 256},
    },
}

_PAPER_SAMPLING: dict[Stage, dict[str, Any]] = {
    "base": {"sampler": "ddpm", "steps": 256},
    "sr256": {"sampler": "ddpm", "steps": 128},
    "sr1024": {"sampler": "ddim", "steps": 32},
}

# Trains in minutes on a CPU (docs/measurements/learning.md):
# x-prediction preconditioned on the known image, times concentrated
# where the garment is learnt, clean conditions, and few steps of a second-order sampler without guidance.
_NANO: dict[str, Any] = {
    "optim": {"lr": 1e-3, "warmup": 100, "decay": "cosine", "betas": (0.9, 0.99)},
    "diffusion": {"schedule": "cosine", "prediction": "x", "drop": 0.0, "t_shift": 3.0},
    "sampling": {"sampler": "dpmpp_2m", "guidance": 1.0, "low_res_noise": 0.02},
    "checkpoint": {"every": 200},
    "validation": {"every": 200},
}
_NANO_STAGES: dict[Stage, dict[str, Any]] = {
    "base": {
        "steps": 1000,
        "data": {"batch": 8},
        "diffusion": {"residual_std": 0.5, "shown_std": 0.1, "augmentation": 0.0, "hide_hem": True},
        "sampling": {"steps": 2},
    },
    "sr256": {
        "steps": 200,
        "data": {"batch": 8},
        "diffusion": {"residual_std": 0.1, "augmentation": 0.1, "hide_hem": True},
        "sampling": {"steps": 2},
    },
    "sr1024": {
        "steps": 250,
        "data": {"batch": 16},
        "diffusion": {"residual_std": 0.1, "augmentation": 0.1},
        "sampling": {"steps": 2},
    },
}


def preset_values(preset: Preset, stage: Stage) -> dict[str, Any]:
    """Return the preset's values for the stage, as nested dictionaries for StageConfig."""
    values: dict[str, Any] = {"stage": stage, "preset": preset, **_SIZES[preset][stage]}
    values["model"] = MODELS[preset][stage].model_dump()
    values["sampling"] = dict(_PAPER_SAMPLING[stage])
    values["diffusion"] = {"schedule": "linear" if stage == "sr1024" else "cosine"}
    values["steps"] = 500_000
    if preset == "nano":
        values = merged(values, merged(_NANO, _NANO_STAGES[stage]))
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
