"""Settings of sampling, and the evaluations that a stage's pictures take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from common.errors import UserError
from train.configuration.presets import preset_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.diffusion.conditioning import TryOnInputs
from train.diffusion.diffusion_config import SamplingConfig
from train.hardware.precision import Precision
from train.inference.cascade import (
    FAST_STEPS,
    Overrides,
    TrainedStage,
    assemble_stage,
    sample_stage,
    sampling_precision,
)  # fmt: skip
from train.models import build_model

TinyConfig = Callable[..., StageConfig]


def untrained(config: StageConfig) -> TrainedStage:
    torch.manual_seed(0)
    model: nn.Module = build_model(config.model)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return TrainedStage(config, model.eval().requires_grad_(False), 0)


def inputs(size: int) -> TryOnInputs:
    g = torch.Generator().manual_seed(0)
    Ia, Ic = torch.rand(2, 2, 3, size, size, generator=g) * 2 - 1
    Jp, Jg = torch.rand(2, 2, 17, 3, generator=g)
    return TryOnInputs(Ia, Ic, Jp, Jg)


@pytest.mark.parametrize(("film", "expected"), [("t", 4), ("static", 1)])
def test_static_garment_features_are_computed_once_per_image(tiny: TinyConfig, film: str, expected: int) -> None:
    stage = untrained(tiny("base", f"model.garment_film={film}", "sampling.steps=4"))
    calls: dict[str, int] = {"garment": 0, "person": 0}
    for name in calls:
        stage.model.get_submodule(name).register_forward_hook(
            lambda *_, name=name: calls.update({name: calls[name] + 1})
        )
    pictures = sample_stage(stage, inputs(64), 0, range(2), Overrides())
    assert pictures.shape == (2, 3, 64, 64)
    assert calls == {"garment": expected, "person": 4}


def test_reuse_changes_no_image(tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = untrained(tiny("base", "model.garment_film=static", "sampling.steps=4", "sampling.sampler=ddpm"))
    reused = sample_stage(stage, inputs(64), 0, range(2), Overrides())
    monkeypatch.setattr("train.inference.cascade.GarmentReuse", lambda model: model)
    assert torch.equal(sample_stage(stage, inputs(64), 0, range(2), Overrides()), reused)


@pytest.mark.parametrize("preset", ["nano", "small", "paper"])
@pytest.mark.parametrize("stage", STAGES)
def test_fast_is_the_second_order_sampler_in_few_steps(preset: str, stage: Stage) -> None:
    own = preset_config(preset, stage).sampling  # type: ignore[arg-type]
    fast = Overrides(fast=True).applied_to(own)
    assert (fast.sampler, fast.grid) == ("dpmpp_2m", "log-snr")
    assert fast.steps == min(own.steps, FAST_STEPS) <= 25
    assert fast.model_copy(update={"sampler": own.sampler, "grid": own.grid, "steps": own.steps}) == own


def test_missing_overrides_keep_the_stages_settings() -> None:
    own = SamplingConfig(sampler="ddim", steps=7, guidance=3.0)
    assert Overrides().applied_to(own) == own
    changed = Overrides(sampler="ddpm", guidance=0.0).applied_to(own)
    assert changed == SamplingConfig(sampler="ddpm", steps=7, guidance=0.0)


def test_number_of_network_evaluations_of_a_fast_stage(tiny: TinyConfig) -> None:
    stage = untrained(tiny("base", "sampling.sampler=ddpm", "sampling.steps=60"))
    calls: list[int] = []
    stage.model.register_forward_hook(lambda *_: calls.append(1))
    sample_stage(stage, inputs(64), 0, range(2), Overrides(fast=True))
    assert len(calls) == FAST_STEPS


@pytest.mark.parametrize(
    ("trained", "device", "native", "sampled"),
    [
        ("fp32", "cpu", True, "fp32"), ("bf16", "cpu", True, "bf16"), ("bf16", "cpu", False, "fp32"),
        ("fp16", "cpu", True, "fp32"), ("bf16", "cuda", True, "bf16"), ("bf16", "cuda", False, "fp32"),
        ("fp16", "cuda", False, "fp16"), ("fp32", "cuda", False, "fp32"),
    ],
)  # fmt: skip
def test_sampling_precision_depends_on_the_machine(
    monkeypatch: pytest.MonkeyPatch, trained: Precision, device: str, native: bool, sampled: Precision
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (8, 0) if native else (7, 5))
    assert sampling_precision(trained, torch.device(device)) == sampled


def test_guidance_without_condition_dropout_is_refused(tiny: TinyConfig) -> None:
    config = tiny("sr1024", "diffusion.drop=0", "sampling.guidance=1")
    weights = build_model(config.model).state_dict()
    kept = config.model_copy(update={"sampling": config.sampling.model_copy(update={"guidance": 2.0})})
    stage = assemble_stage(kept, weights, 1, torch.device("cpu"))  # as a run folder of an earlier version holds it
    assert stage.config.sampling.guidance == 1
    Overrides(guidance=1.0).refuse_impossible([stage])
    with pytest.raises(UserError, match=r"--guidance 2: sr1024: diffusion.drop=0 never trains"):
        Overrides(guidance=2.0).refuse_impossible([stage])
