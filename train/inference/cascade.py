"""The trained cascade: load run folders, sample images (TryOnDiffusion §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from common.errors import UserError
from train.configuration.stage_config import STAGES, StageConfig
from train.diffusion.conditioning import TryOnInputs, build_condition, with_hem_hidden
from train.diffusion.diffusion_config import NO_GUIDANCE, SamplerName, SamplingConfig
from train.diffusion.guidance import guided_denoiser, painting_only
from train.diffusion.photo import GREY, grey_outside, paint_mask
from train.diffusion.precondition import make_denoiser
from train.diffusion.randomness import SampleNoise
from train.diffusion.samplers import SAMPLERS, TIME_GRIDS, OnStep
from train.diffusion.schedule import make_schedule
from train.hardware.cards import has_bf16, prepare
from train.hardware.fsdp import is_sharded
from train.hardware.precision import Precision, autocast
from train.models import GarmentReuse, ParallelUNet, build_model
from train.models.condition import Condition
from train.runs.checkpoint_choice import LAST, CheckpointChoice, Which
from train.runs.run_folder import CONFIG, RunFolder

Weights = Literal["ema", "model"]
"""Which weights of a checkpoint: the EMA weights, or the raw ones (model)."""

FAST_STEPS = 25
"""Maximum number of steps per stage with ``Overrides.fast``."""


@dataclass(frozen=True)
class Overrides:
    """Sampling settings that override those of every stage; None keeps a stage's own."""

    sampler: SamplerName | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    """Times between which guidance is applied."""
    fast: bool = False
    """DPM-Solver++ on its own grid, in at most ``FAST_STEPS`` steps; takes precedence over sampler and steps."""

    def applied_to(self, sampling: SamplingConfig) -> SamplingConfig:
        """Return the stage's sampling settings with these overrides applied."""
        overrides = {
            "sampler": self.sampler, "steps": self.steps, "guidance": self.guidance,
            "guidance_interval": self.guidance_interval,
        }  # fmt: skip
        changes: dict[str, object] = {name: value for name, value in overrides.items() if value is not None}
        if self.fast:
            changes |= {"sampler": "dpmpp_2m", "grid": "log-snr", "steps": min(sampling.steps, FAST_STEPS)}
        return sampling.model_copy(update=changes)

    def refuse_impossible(self, stages: Sequence[TrainedStage]) -> None:
        """Raise UserError if guidance is set for a stage trained without conditioning dropout.

        Also if a guidance interval is set, but no stage uses guidance.
        """
        if self.guidance_interval is not None:
            low, high = self.guidance_interval
            if not 0 <= low < high <= 1:
                raise UserError(f"--guidance-interval {low:g} {high:g}: give two times in [0, 1], the smaller first")
            if all(self.applied_to(stage.config.sampling).guidance == 1 for stage in stages):
                raise UserError("--guidance-interval: no stage is guided; give --guidance too")
        for stage in stages:
            if self.guidance not in (None, 1) and stage.config.diffusion.drop == 0:
                raise UserError(f"--guidance {self.guidance:g}: {stage.config.stage}: {NO_GUIDANCE}")


@dataclass(frozen=True)
class TrainedStage:
    """One stage with the weights of a checkpoint."""

    config: StageConfig
    model: nn.Module
    step: int
    weights: Weights = "ema"
    average: float | None = None
    """Length of the post-hoc average that the weights are; None: the run's own EMA weights."""


def load_cascade(
    runs: Path, device: torch.device, weights: Weights = "ema", checkpoint: CheckpointChoice = LAST
) -> list[TrainedStage]:
    """Load the trained stages, from the base on, with the EMA or the raw weights of a checkpoint.

    Raise UserError if the base stage or a chosen checkpoint is missing, or if the sizes of two stages do not match.
    """
    stages: list[TrainedStage] = []
    for name in STAGES:
        run = RunFolder(runs / name)
        if (config := run.read_config()) is None:
            break
        stages.append(_load_stage(run, config, device, weights, checkpoint.of(name)))
    if not stages:
        raise UserError(f"--runs {runs}: there is no run folder {STAGES[0]} in it; run trainer fit first")
    checkpoint.refuse_absent([stage.config.stage for stage in stages], f"--runs {runs}")
    for lower, upper in pairwise(stages):
        if upper.config.low_res != lower.config.size:
            raise UserError(
                f"--runs {runs}: {upper.config.stage} upsamples images of {upper.config.low_res}², but  "
                f"{lower.config.stage} makes {lower.config.size}²; train both with one preset"
            )
    return stages


def previous_run(runs: Path, config: StageConfig) -> tuple[RunFolder, StageConfig] | None:
    """Return the run of the stage before this one if ``own_low_res`` or ``grow`` needs it; None if not.

    Raise UserError if it has no checkpoint or another size.
    """
    if not (config.diffusion.own_low_res or config.grow):
        return None
    name = STAGES[STAGES.index(config.stage) - 1]
    run = RunFolder(runs / name)
    before = run.read_config()
    if before is None or run.checkpoints.last_good() is None or before.size != config.low_res:
        raise UserError(
            f"--runs {runs}: {config.stage} learns from images of {name} at {config.low_res}² "
            f"(diffusion.own_low_res={config.diffusion.own_low_res:g}, grow={str(config.grow).lower()}), which is not "
            f"trained there; train {name} first, or --set diffusion.own_low_res=0 --set grow=false"
        )
    return run, before


def load_previous(runs: Path, config: StageConfig, device: torch.device) -> TrainedStage | None:
    """Load the trained stage that `previous_run` finds. Raise UserError as that does."""
    found = previous_run(runs, config)
    return None if found is None else _load_stage(*found, device, "ema")


@torch.no_grad()
def sample_stage(
    stage: TrainedStage,
    inputs: TryOnInputs,
    seed: int,
    positions: Sequence[int],
    overrides: Overrides,
    on_step: OnStep | None = None,
) -> Tensor:
    """Sample one stage's images (B, 3, size, size) in [-1, 1].

    ``inputs`` holds the stage's inputs at its size, and the previous stage's images as low_res. A sample's noise is
    keyed by its entry of ``positions`` (and the seed), so it does not depend on the others in the batch.
    """
    config, size = stage.config, stage.config.size
    if config.diffusion.hide_hem:
        inputs = with_hem_hidden(inputs)
    sampling = overrides.applied_to(config.sampling)
    noise = SampleNoise(seed, config.stage, positions)
    device = inputs.images[0].device
    condition = sampling_condition(inputs, size, sampling.low_res_noise, noise)
    schedule = make_schedule(config.diffusion.schedule)
    denoise = guided_denoiser(
        make_denoiser(_sampling_model(stage.model), config.diffusion, schedule),
        condition,
        schedule,
        weight=sampling.guidance,
        interval=sampling.guidance_interval,
        prediction=config.diffusion.prediction,
        threshold=sampling.threshold,
    )
    shown = inputs.Ia if config.diffusion.keep_shown else None
    painted = paint_mask(shown, inputs.photo, (size, size))
    if painted is not None:
        known = torch.full((), GREY, device=device) if shown is None else grey_outside(shown, inputs.photo)
        denoise = painting_only(denoise, painted, known, schedule)
    shape = (3, size, size)
    with autocast(sampling_precision(config.precision, device), device):
        images = SAMPLERS[sampling.sampler](
            denoise,
            noise.normal(shape, "z_1").to(device),
            TIME_GRIDS[sampling.grid](sampling.steps, schedule),
            schedule,
            lambda step: noise.normal(shape, "step", step).to(device),
            on_step,
        )
    return images.clamp(-1.0, 1.0)


def sampling_condition(inputs: TryOnInputs, size: int, low_res_noise: float, noise: SampleNoise) -> Condition:
    """Return the condition of a batch: noise is added to low_res alone; all other inputs stay clean."""
    levels = [0.0] * len(inputs.images)
    if inputs.low_res is not None:
        levels[-1] = low_res_noise
    device = inputs.images[0].device
    return build_condition(
        inputs,
        (size, size),
        t_na=torch.tensor([levels] * len(inputs.images[0]), device=device),
        noise=tuple(
            noise.normal(tuple(image.shape[1:]), "augmentation", which).to(device) if level else None
            for which, (image, level) in enumerate(zip(inputs.images, levels, strict=True))
        ),
    )


def sample_cascade(
    stages: Sequence[TrainedStage],
    inputs: Sequence[TryOnInputs],
    seed: int,
    positions: Sequence[int],
    overrides: Overrides,
    on_step: OnStep | None = None,
) -> list[Tensor]:
    """Sample every stage in turn; ``inputs`` are each stage's own. Returns one batch of images per stage.

    ``on_step`` counts the steps of all stages together.
    """
    results: list[Tensor] = []
    total = cascade_steps(stages, overrides)
    before = 0
    for stage, own in zip(stages, inputs, strict=True):
        if results:
            own = replace(own, low_res=results[-1])
        counted = shifted_steps(on_step, before, total)
        results.append(sample_stage(stage, own, seed, positions, overrides, counted))
        before += overrides.applied_to(stage.config.sampling).steps
    return results


def cascade_steps(stages: Sequence[TrainedStage], overrides: Overrides) -> int:
    """Return the total number of sampling steps over all stages."""
    return sum(overrides.applied_to(stage.config.sampling).steps for stage in stages)


def shifted_steps(on_step: OnStep | None, before: int, total: int) -> OnStep | None:
    """Wrap ``on_step`` for a part of the steps, so that it counts from ``before`` out of ``total``."""
    if on_step is None:
        return None
    return lambda step, _steps: on_step(before + step, total)


def sampling_precision(trained: Precision, device: torch.device) -> Precision:
    """Return the precision to sample in: that of training if this machine supports it, else fp32.

    On a CPU without bf16 support bf16 is several times slower; fp16 does not cover the range of bf16.
    """
    if trained == "fp32":
        return "fp32"
    if device.type == "cuda":
        return "fp32" if trained == "bf16" and not has_bf16(device) else trained
    return trained if trained == "bf16" and torch.cpu._is_avx512_bf16_supported() else "fp32"


def _sampling_model(model: nn.Module) -> nn.Module:
    # FSDP gathers weights only inside the network's own forward pass, so garment features cannot be cached there.
    if isinstance(model, ParallelUNet) and model.config.garment_film == "static" and not is_sharded(model):
        return GarmentReuse(model)
    return model


def _load_stage(
    run: RunFolder, config: StageConfig, device: torch.device, which: Weights, checkpoint: Which = "last"
) -> TrainedStage:
    weights, step = run.load_weights(which, checkpoint)
    try:
        return assemble_stage(config, weights, step, device, which)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError(
            f"{run}: the checkpoint of step {step} does not have the weights of {CONFIG}'s network; "
            "use the run folder as trainer fit wrote it"
        ) from error


def without_impossible_guidance(config: StageConfig) -> StageConfig:
    """Return the settings without guidance if the null condition was never trained; earlier versions stored both."""
    if config.diffusion.drop:
        return config
    return config.model_copy(update={"sampling": config.sampling.model_copy(update={"guidance": 1.0})})


def assemble_stage(
    config: StageConfig, weights: dict[str, Tensor], step: int, device: torch.device, which: Weights = "ema"
) -> TrainedStage:
    """Build the stage's network, ready to sample. Raise RuntimeError if the weights are not this network's."""
    prepare(device)
    config = without_impossible_guidance(config)
    model: nn.Module = build_model(config.model)
    model.load_state_dict(weights)
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainedStage(config, model.eval().requires_grad_(False), step, which)
