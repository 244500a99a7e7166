"""Losses, gradients and samples of the card against the CPU's, in fp32, with the same weights and noise.

Tolerances are of relative errors, ‖card - CPU‖ / ‖CPU‖. fp32 without TF32 differs by the order of sums; TF32 and bf16
keep 10 and 7 bits of the mantissa in each product, fp16 10.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from card.sampling_part import random_inputs
from card.workloads import random_batch
from torch import Tensor

from train.configuration.presets import Preset
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.data.batch import to_device
from train.diffusion.randomness import SampleNoise
from train.diffusion.schedule import make_schedule
from train.hardware.precision import Precision
from train.inference.cascade import Overrides, assemble_stage, sample_stage
from train.training.state import Training
from train.training.step import Stepper, init_training, sample_losses

ARITHMETIC = ("fp32", "tf32", "bf16", "fp16")
LOSS = {"fp32": 1e-4, "tf32": 5e-3, "bf16": 3e-2, "fp16": 5e-3}
GRADIENT = {"fp32": 1e-3, "tf32": 3e-2, "bf16": 2e-1, "fp16": 3e-2}
SAMPLE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 6e-2, "fp16": 1e-2}
SCALE = 1024.0
"""fp16's loss scale: small gradients are lost without one."""
CPU = torch.device("cpu")


def config_of(preset: Preset, stage: Stage, precision: Precision) -> StageConfig:
    return stage_config(preset, stage, None, ["data.batch=2", f"precision={precision}", "compile=false"])


@torch.no_grad()
def wake(training: Training) -> None:
    """Fill what begins at zero, so that gradients reach every layer; the same on any device."""
    random = torch.Generator().manual_seed(1)
    for parameter in training.model.parameters():
        if not parameter.any():
            parameter.copy_(0.02 * torch.randn(parameter.shape, generator=random))


def loss_and_gradient(config: StageConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the losses (B,) and all gradients in one row, both float64 on the CPU."""
    training = init_training(config, device)
    wake(training)
    batch = to_device(random_batch(config, 2, CPU), device)
    noise, t = SampleNoise(config.seed, config.stage, batch.positions), torch.tensor([0.3, 0.7])
    losses = sample_losses(
        training.model, batch, Stepper(config, make_schedule(config.diffusion.schedule), device), noise, t
    )
    scale = SCALE if config.precision == "fp16" else 1.0
    (losses.sum() * scale).backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in training.model.parameters() if parameter.grad is not None]
    assert len(gradients) > len(list(training.model.parameters())) // 2
    return losses.detach().cpu().double(), torch.cat([g.reshape(-1).cpu().double() for g in gradients]) / scale


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def precision_of(arithmetic: str, device: torch.device) -> Precision:
    if arithmetic == "bf16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip("no bf16 on this card")
    precision: Precision = "fp32" if arithmetic == "tf32" else arithmetic  # type: ignore[assignment]
    return precision


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("preset", ["nano", "small"])
def test_losses_and_gradients_are_those_of_the_cpu(
    device: torch.device, exact_fp32: Callable[[], None], preset: Preset, stage: Stage, arithmetic: str
) -> None:
    precision = precision_of(arithmetic, device)
    losses, gradient = loss_and_gradient(config_of(preset, stage, "fp32"), CPU)
    if arithmetic == "tf32":
        torch.set_float32_matmul_precision("high")
    else:
        exact_fp32()
    found_losses, found_gradient = loss_and_gradient(config_of(preset, stage, precision), device)
    assert losses.isfinite().all()
    assert losses.min() > 0
    assert difference(found_losses, losses) <= LOSS[arithmetic]
    assert difference(found_gradient, gradient) <= GRADIENT[arithmetic]


def sampled(config: StageConfig, device: torch.device, settle: Callable[[], None]) -> Tensor:
    training = init_training(config, CPU)
    wake(training)
    stage = assemble_stage(config, training.model.state_dict(), 0, device)
    settle()
    overrides = Overrides(sampler="ddim", steps=2)
    return sample_stage(stage, random_inputs(config, 2, device), 0, [0, 1], overrides).float().cpu()


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("preset", ["nano", "small"])
def test_samples_are_those_of_the_cpu(
    device: torch.device, exact_fp32: Callable[[], None], preset: Preset, stage: Stage, arithmetic: str
) -> None:
    precision = precision_of(arithmetic, device)
    expected = sampled(config_of(preset, stage, "fp32"), CPU, lambda: None)
    tf32 = arithmetic == "tf32"
    found = sampled(config_of(preset, stage, precision), device, (lambda: None) if tf32 else exact_fp32)
    assert expected.std() > 0.01
    assert difference(found, expected) <= SAMPLE[arithmetic]
