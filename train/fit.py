"""Training one stage: read `fit_stage` from top to bottom."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from schemas import UserError, write_atomically
from train.checkpoint import Training, restore, save_checkpoint
from train.condition import Denoiser
from train.config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder
from train.diffusion.conditioning import TryOnInputs, build_condition, downsample, from_uint8
from train.diffusion.objective import diffusion_loss
from train.diffusion.precondition import Preconditioned
from train.diffusion.randomness import SampleNoise
from train.diffusion.schedule import Schedule, make_schedule
from train.models import build_model

CONFIG = "config.json"
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Status:
    """What is known after a step."""

    stage: str
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds: float


Report = Callable[[Status], None]


def fit_stage(config: StageConfig, shards: ShardFolder, run: Path, report: Report, stop: Callable[[], bool]) -> bool:
    """Train the stage in its run folder, from its last checkpoint if there is one, until ``config.steps``.

    ``stop`` is asked after every step; when it says so, a checkpoint is written and the function returns False.
    Everything random is keyed by the seed and by the number of the sample, so a run that was interrupted goes on
    bit for bit as if it never was (on one kind of machine with one number of threads).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    claim_run(run, config)

    training = begin(config, device)
    restore(run, training)
    truncate_metrics(run / METRICS, training.step)
    model, optimizer = training.model, training.optimizer

    schedule = make_schedule(config.diffusion.schedule)
    batches = BatchLoader(shards, config).batches(training.step * config.data.batch)
    started, first, saved = time.monotonic(), training.step, training.step
    while training.step < config.steps:
        loss = batch_loss(model, next(batches), config, schedule, device)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), config.optim.clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, training.step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        training.step += 1
        update_ema(training, config.ema)

        seconds = time.monotonic() - started
        speed = (training.step - first) * config.data.batch / seconds
        status = Status(config.stage, training.step, config.steps, loss.item(), speed, seconds)
        append_metrics(run / METRICS, status)
        report(status)
        if training.step % config.checkpoint.every == 0:
            save_checkpoint(run, training, config.checkpoint.keep)
            saved = training.step
        if stop():
            break
    batches.close()
    if saved != training.step:
        save_checkpoint(run, training, config.checkpoint.keep)
    return training.step >= config.steps


def begin(config: StageConfig, device: torch.device) -> Training:
    """Return the state before the first step: weights by the seed, averaged weights equal to them."""
    torch.manual_seed(config.seed)
    model: nn.Module = build_model(config.model).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.optim.lr,
        betas=config.optim.betas,
        eps=config.optim.eps,
        weight_decay=config.optim.weight_decay,
        foreach=True,
    )
    return Training(model, {name: p.detach().clone() for name, p in model.named_parameters()}, optimizer)


def batch_loss(
    model: nn.Module, batch: Batch, config: StageConfig, schedule: Schedule, device: torch.device
) -> Tensor:  # fmt: skip
    """Return the mean loss of a batch; its noise, times, levels and dropout are keyed by the samples' positions."""
    noise = SampleNoise(config.seed, config.stage, batch.positions)
    x, inputs = stage_inputs(batch, config, device)
    condition = build_condition(
        inputs,
        (x.shape[2], x.shape[3]),
        t_na=config.diffusion.augmentation * noise.uniform((len(inputs.images),), "t_na").to(device),
        noise=tuple(
            noise.normal(tuple(image.shape[1:]), "augmentation", which).to(device)
            for which, image in enumerate(inputs.images)
        ),
        drop=noise.bernoulli(config.diffusion.drop, "drop").to(device),
    )
    t = noise.uniform((), "t").to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        denoiser = make_denoiser(model, config, schedule)
        losses = diffusion_loss(
            denoiser,
            x,
            noise.normal(tuple(x.shape[1:]), "eps").to(device),
            t,
            condition,
            schedule,
            prediction=config.diffusion.prediction,
            min_snr_gamma=config.diffusion.min_snr_gamma,
        )
    if isinstance(denoiser, Preconditioned):
        losses = losses * denoiser.weight(t)
    return losses.mean()


def make_denoiser(network: nn.Module, config: StageConfig, schedule: Schedule) -> Denoiser:
    """Return what training and sampling call: the network, preconditioned where the configuration says so."""
    std = config.diffusion.residual_std
    return network if std is None else Preconditioned(network, schedule, std)


def stage_inputs(batch: Batch, config: StageConfig, device: torch.device) -> tuple[Tensor, TryOnInputs]:
    """Return the target x in [-1, 1] and the stage's raw inputs; the low-resolution picture is made from x."""
    x = from_uint8(batch.x.to(device))
    Ia, Ic = (None if image is None else from_uint8(image.to(device)) for image in (batch.Ia, batch.Ic))
    Jp, Jg = (None if pose is None else pose.to(device) for pose in (batch.Jp, batch.Jg))
    low_res = downsample(x, config.scale) if config.low_res else None
    return x, TryOnInputs(Ia, Ic, Jp, Jg, low_res)


def learning_rate(config: StageConfig, step: int) -> float:
    """Return the learning rate of the step that follows ``step`` ones: linear warm-up, then constant (paper §4).

    Half a cosine over the steps that are left, where the configuration says so.
    """
    optim = config.optim
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    if optim.decay == "constant":
        return optim.lr
    done = (step - optim.warmup) / max(1, config.steps - optim.warmup)
    return optim.lr * 0.5 * (1.0 + math.cos(math.pi * done))


@torch.no_grad()
def update_ema(training: Training, decay: float) -> None:
    """Move the averaged weights towards the model's: decay (1 + n) / (10 + n) after n steps, but at most ``decay``."""
    rate = min(decay, (1 + training.step) / (10 + training.step))
    parameters = [p.detach() for p in training.model.parameters()]
    torch._foreach_lerp_(list(training.ema.values()), parameters, 1 - rate)


def claim_run(run: Path, config: StageConfig) -> None:
    """Write the configuration into the run folder, or check that it is the one that the run was begun with.

    Only what does not touch the steps made so far may differ. Raise UserError with the differences.
    """
    path = run / CONFIG
    free = {"checkpoint", "sampling", *(("steps",) if config.optim.decay == "constant" else ())}
    if path.exists():
        held, mine = json.loads(path.read_text()), json.loads(config.model_dump_json())
        for settings in (held, mine):
            settings["data"].pop("threads")
        differing = [key for key in mine if key not in free and held.get(key) != mine[key]]
        if differing:
            told = "; ".join(f"{key} was {held.get(key)}, is {mine[key]}" for key in differing)
            raise UserError(f"{run}: was begun with other settings ({told}); give another --runs, or the same settings")
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (config.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise UserError(f"--runs {run}: {error.strerror}; give a folder that can be written to") from error


def append_metrics(path: Path, status: Status) -> None:
    """Append one line to metrics.jsonl."""
    line = {"step": status.step, "loss": status.loss, "images_per_second": round(status.images_per_second, 2)}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the lines of steps after ``step``: they will be made again."""
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # the last line of a run that was killed
        return float("inf")
