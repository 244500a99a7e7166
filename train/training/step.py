"""One training step: read `train_step` from top to bottom. `trainer plan` traces the same function."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.diffusion.conditioning import TryOnInputs, build_condition, downsample, from_uint8, with_hem_hidden
from train.diffusion.device_noise import DeviceNoise
from train.diffusion.objective import diffusion_loss
from train.diffusion.photo import grey_where_not, inside_photo, paint_mask
from train.diffusion.precondition import Preconditioned, make_denoiser
from train.diffusion.randomness import Noise, SampleNoise
from train.diffusion.schedule import Schedule, shift_times
from train.hardware.precision import DTYPES, autocast
from train.hardware.world import SINGLE_PROCESS, World
from train.inference.previous_stage import PreviousStage
from train.models import build_model, set_checkpointing, set_fused_attention
from train.runs.power_profiles import share_of_step
from train.training.loss_scale import LossScale
from train.training.optim.host import host_memory
from train.training.optim.update import device_gradients, free_gradients, init_optimizer, step_optimizer
from train.training.parallel import accumulating, replicate, shard, whole
from train.training.state import Training


@dataclass(frozen=True)
class Stepper:
    """What a step needs and does not change: configuration, schedule, device and processes."""

    config: StageConfig
    schedule: Schedule
    device: torch.device
    world: World = SINGLE_PROCESS
    previous: PreviousStage | None = None
    """The trained previous stage, if some low-resolution inputs are to be its images."""
    draws_on_device: bool | None = None
    """Whether noise, times and dropout are drawn on the device; None: only on a GPU, as NumPy is faster on a CPU."""

    def noise(self, positions: Sequence[int]) -> Noise:
        """Return the random numbers for the samples at these positions in the data order."""
        config = self.config
        if self.device.type == "cpu" if self.draws_on_device is None else not self.draws_on_device:
            return SampleNoise(config.seed, config.stage, positions)
        return DeviceNoise(config.seed, config.stage, positions, self.device, config.compile)


def init_training(config: StageConfig, device: torch.device, world: World = SINGLE_PROCESS) -> Training:
    """Return the state before the first step: weights initialised from the seed, EMA weights equal to them."""
    torch.manual_seed(config.seed)
    model = build_model(config.model)
    set_checkpointing(model, config.memory.checkpointing)
    # The fused kernel is fastest except in bf16 on a CPU (docs/measurements/training-step.md).
    set_fused_attention(model, enabled=not (device.type == "cpu" and config.precision == "bf16"))
    if world.kind == "fsdp":  # FSDP requires contiguous weights
        shard(model, world, DTYPES[config.precision])
    else:
        for parameter in model.parameters():  # not Module.to, which replaces parameters: fake tensors do not allow that
            layout = torch.channels_last if parameter.ndim == 4 else torch.preserve_format
            parameter.data = parameter.data.to(device, memory_format=layout)
    training = init_optimizer(model, config, _copy(model, config))
    training.averages = {length: _copy(model, config) for length in config.averages.lengths}
    training.scale = LossScale.initial(device) if config.precision == "fp16" else None
    if config.compile:
        compiled = torch.compile(model, dynamic=False)
        assert isinstance(compiled, nn.Module), "torch.compile of a module returns a module"
        training.compiled = compiled
    training.ddp = replicate(training.forward_module, world)
    return training


def _copy(model: nn.Module, config: StageConfig) -> dict[str, Tensor]:
    """Return a copy of the weights on the device that holds the EMA weights."""
    if config.memory.ema_on_host:
        with host_memory() as host:
            return {name: p.detach().to(host, copy=True) for name, p in model.named_parameters()}
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def train_step(training: Training, batch: Batch, stepper: Stepper) -> Tensor:
    """Make one optimizer step and return the batch's mean loss, a scalar.

    In distributed training, each process passes its share of the batch; all get the loss of the whole batch and make
    the same step. The gradients of the micro-batches add up to those of the mean over the whole batch, however it is
    split. A step with a non-finite loss or gradient changes no weight and is counted in ``training``. With
    ``optimizer_in_backward`` this is decided per weight, and only a non-finite loss skips the whole step; both count.
    On a GPU the step does not synchronise: the host may run one step ahead.
    """
    config, world, scale = stepper.config, stepper.world, training.scale
    training.weights_skipped = False
    for group in training.optimizer.param_groups:
        group["lr"] = learning_rate(config, training.step)
    losses: list[Tensor] = []
    parts = list(micro_batches(batch, config.memory.micro_batch))
    for part in parts:
        with accumulating(training, last=part is parts[-1]):
            loss = sample_losses(training.forward_module, part, stepper).sum() / len(batch.positions)
            losses.append(loss.detach())
            training.loss_is_finite = losses[-1].isfinite()
            (loss if scale is None else loss * scale.scale).backward()  # type: ignore[no-untyped-call]
    # Like the gradients, the mean over the processes' shares, which are of equal size.
    loss = world.total(torch.stack(losses).sum()) / world.size
    finite = loss.isfinite()
    if not config.memory.optimizer_in_backward:
        finite = _clip_and_step(training, config.optim.clip, finite)
    training.step += 1
    update_ema(training, config.ema, finite)
    for length, average in training.averages.items():
        move_average(training, average, share_of_step(length, training.step), finite)
    _count(training, finite)
    return loss


def _count(training: Training, finite: Tensor) -> None:
    """Count the step as skipped if it was not finite, or if it skipped a weight."""
    complete = finite & ~training.weights_skipped if isinstance(training.weights_skipped, Tensor) else finite
    training.skipped = training.skipped + ~complete
    training.skipped_in_a_row = (training.skipped_in_a_row + 1) * ~complete


def _clip_and_step(training: Training, clip: float | None, finite: Tensor) -> Tensor:
    """Clip the gradients, step and free them; return whether loss and gradients were finite. If not, no weight changes.

    ``finite`` is whether the loss is; it and the result are booleans ().
    """
    gradients, scale = device_gradients(training.model), training.scale
    if scale is not None:
        scale.unscale(gradients)
    training.norm = whole(nn.utils.get_total_norm(gradients))
    finite = finite & training.norm.isfinite()
    if scale is not None:
        scale.update(finite)
    if clip is not None:
        nn.utils.clip_grads_with_norm_(training.model.parameters(), clip, training.norm)
    del gradients
    step_optimizer(training, finite)
    free_gradients(training.model)
    return finite


def micro_batches(batch: Batch, size: int | None) -> Iterator[Batch]:
    """Split a batch into parts of ``size`` samples, the last of which may be smaller; None does not split it."""
    count = len(batch.positions)
    if size is None or size >= count:
        yield batch
        return
    for start in range(0, count, size):
        part = slice(start, start + size)
        rest = (batch.Ia, batch.Ic, batch.Jp, batch.Jg, batch.photo)
        Ia, Ic, Jp, Jg, photo = (None if v is None else v[part] for v in rest)
        yield Batch(batch.positions[part], batch.x[part], Ia, Ic, Jp, Jg, photo)


def sample_losses(
    model: nn.Module, batch: Batch, stepper: Stepper, noise: Noise | None = None, t: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return each sample's loss (B,); noise, times, noise levels and dropout are keyed by the samples' positions.

    Validation passes its own noise and times ``t`` (B,) in [0, 1]; no condition is then dropped, and the losses of warp
    and edges are omitted.
    """
    config, schedule, device = stepper.config, stepper.schedule, stepper.device
    training = t is None
    noise = noise or stepper.noise(batch.positions)
    x, inputs = stage_inputs(batch, config, device)
    if stepper.previous is not None and inputs.low_res is not None:
        low_res = stepper.previous.replace_some(inputs.low_res, inputs, batch.positions)
        inputs = replace(inputs, low_res=low_res)
    size = (x.shape[2], x.shape[3])
    augmentation, count = config.diffusion.augmentation, len(inputs.images)
    condition = build_condition(
        inputs,
        size,
        t_na=augmentation * noise.uniform((count,), "t_na").to(device),
        noise=tuple(
            noise.normal(tuple(image.shape[1:]), "augmentation", which).to(device) if augmentation else None
            for which, image in enumerate(inputs.images)
        ),
        drop=noise.bernoulli(config.diffusion.drop if training else 0.0, "drop").to(device),
    )
    t = (shift_times(noise.uniform((), "t"), config.diffusion.t_shift) if t is None else t).to(device)
    with autocast(config.precision, device):
        denoiser = make_denoiser(model, config.diffusion, schedule)
        return diffusion_loss(
            denoiser,
            x,
            noise.normal(tuple(x.shape[1:]), "eps").to(device),
            t,
            condition,
            schedule,
            prediction=config.diffusion.prediction,
            min_snr_gamma=config.diffusion.min_snr_gamma,
            scale=denoiser.weight(t) if isinstance(denoiser, Preconditioned) else None,
            warp_loss=config.diffusion.warp_loss if training else 0.0,
            edge_loss=config.diffusion.edge_loss if training else 0.0,
            inside=paint_mask(inputs.Ia if config.diffusion.keep_shown else None, inputs.photo, size),
        )


def stage_inputs(batch: Batch, config: StageConfig, device: torch.device) -> tuple[Tensor, TryOnInputs]:
    """Return the target x in [-1, 1] and the stage's raw inputs; the low-resolution image is downsampled from x.

    Beyond the photograph x and Ia are mid-grey, even if the shards are older and repeat the photograph's edge there.
    """
    photo = None if batch.photo is None else batch.photo.to(device)
    inside = None if photo is None else inside_photo(photo, (batch.x.shape[2], batch.x.shape[3]))
    x = grey_where_not(inside, from_uint8(batch.x.to(device)))
    Ia, Ic = (None if image is None else from_uint8(image.to(device)) for image in (batch.Ia, batch.Ic))
    Ia = None if Ia is None else grey_where_not(inside, Ia)
    Jp, Jg = (None if pose is None else pose.to(device) for pose in (batch.Jp, batch.Jg))
    low_res = downsample(x, config.scale) if config.low_res else None
    inputs = TryOnInputs(Ia, Ic, Jp, Jg, low_res, photo)
    return x, with_hem_hidden(inputs) if config.diffusion.hide_hem else inputs


def learning_rate(config: StageConfig, step: int) -> float:
    """Return the learning rate after ``step`` steps: linear warm-up, then constant (paper §4).

    With ``decay`` cosine, it falls to 0 over the remaining steps; with wsd, over the last ones.
    """
    optim = config.optim
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    if optim.decay == "constant":
        return optim.lr
    if optim.decay == "wsd":
        stable = optim.stable_until(config.steps)
        return optim.lr * (1.0 - math.sqrt(max(0, step - stable) / max(1, config.steps - stable)))
    done = (step - optim.warmup) / max(1, config.steps - optim.warmup)
    return optim.lr * 0.5 * (1.0 + math.cos(math.pi * done))


@torch.no_grad()
def update_ema(training: Training, decay: float, finite: Tensor) -> None:
    """Update the EMA weights: the decay after n steps is (1 + n) / (10 + n), but at most ``decay``.

    If ``finite``, a boolean (), is false, they do not change.
    """
    move_average(training, training.ema, 1 - min(decay, (1 + training.step) / (10 + training.step)), finite)


@torch.no_grad()
def move_average(training: Training, average: dict[str, Tensor], share: float, finite: Tensor) -> None:
    """Move an average by ``share`` of the way to the weights, unless ``finite``, a boolean (), is false."""
    ema = list(average.values())
    device = ema[0].device
    copies = [list(one) for one in (training.optimized_parameters.values(), training.model.parameters())]
    parameters = [p.detach().to(device) for p in next((one for one in copies if one[0].device == device), copies[0])]
    finite = finite.to(device)
    if device.type == "cpu":
        if finite:
            torch._foreach_lerp_(ema, parameters, share)
        return
    # Not lerp, whose weight would have to be on the host. The temporary memory is no more than the freed gradients'.
    differences = torch._foreach_sub(parameters, ema)
    torch._foreach_mul_(differences, finite * share)
    torch._foreach_add_(ema, differences)
