"""Cost of an image, and error of few steps: samplers, time grids, and reuse of garment features.

    python benchmarks/sampling.py

Prints two Markdown tables. The first is exact: Gaussian data, whose best denoiser is known, come out of each sampler
with a slightly wrong standard deviation; its relative error is given from coarse detail (standard deviation 1, images
in [-1, 1]) to fine (0.02). The second is measured: seconds per image, with guidance, batch size 1, for networks with
random weights, which cost the same as trained ones. They are processor seconds of one thread, least disturbed by other
programs; the columns of a row take turns, the best of two each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from nets import medium
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import train.hardware.runtime  # noqa: F401  malloc and OpenMP as `trainer` has them
from train.diffusion.guidance import guided_denoiser
from train.diffusion.objective import DenoiserOutput, with_x0
from train.diffusion.samplers import SAMPLERS, TIME_GRIDS, GridName
from train.diffusion.schedule import ScheduleName, make_schedule
from train.models import PRESETS, GarmentReuse, ModelConfig, ParallelUNet, ParallelUNetConfig, count_parameters
from train.models.condition import Condition
from train.training.flops import forward_flops

STDS = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)


@dataclass(frozen=True)
class Way:
    """One way to sample."""

    sampler: str
    grid: GridName
    steps: int

    def __str__(self) -> str:
        return f"{self.sampler} | {self.grid} | {self.steps}"

    def times(self, schedule: ScheduleName) -> Tensor:
        return TIME_GRIDS[self.grid](self.steps, make_schedule(schedule))


LOSSES = (
    Way("ddpm", "time", 256), Way("ddpm", "time", 128), Way("ddim", "time", 32), Way("ddim", "log-snr", 32),
    Way("dpmpp_2m", "time", 25), Way("dpmpp_2m", "log-snr", 25), Way("dpmpp_2m", "log-snr", 16),
    Way("dpmpp_2m", "log-snr", 10),
)  # fmt: skip
FEW = (Way("ddim", "time", 32), Way("dpmpp_2m", "log-snr", 25), Way("dpmpp_2m", "log-snr", 10))
MANY = (Way("ddpm", "time", 256), Way("ddpm", "time", 128))
REPEATS = 2


def spread_errors(way: Way, name: ScheduleName) -> Tensor:
    """Return the relative error of the sampled standard deviation for each of ``STDS``."""
    schedule, times = make_schedule(name), way.times(name)

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        alpha, sigma = (value[0] for value in schedule.alpha_sigma(t.double()))
        return with_x0(z_t * alpha * STDS**2 / (alpha**2 * STDS**2 + sigma**2), z_t, t, schedule)

    # The sampler is linear in its noises here: one row per noise, 1 where it enters and 0 elsewhere.
    unit = torch.eye(len(times), dtype=torch.float64)[:, :, None, None, None].expand(-1, -1, 1, 1, len(STDS))
    pictures = SAMPLERS[way.sampler](denoise, unit[:, 0], times, schedule, lambda step: unit[:, 1 + step])
    return pictures.square().sum((0, 1, 2)).sqrt() / STDS - 1.0


def static(config: ModelConfig) -> ParallelUNet:
    assert isinstance(config, ParallelUNetConfig)
    model: nn.Module = ParallelUNet(config.model_copy(update={"garment_film": "static"}))
    model = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    assert isinstance(model, ParallelUNet)
    return model


def condition(size: int) -> Condition:
    image, pose = torch.zeros(1, 3, size, size), torch.zeros(1, 17, 3)
    return Condition(torch.zeros(1, 2), image, image, pose, pose)


def sample(denoiser: nn.Module, way: Way, size: int) -> float:
    """Return the CPU seconds per image."""
    schedule, z_1 = make_schedule("cosine"), torch.randn(1, 3, size, size)
    started = time.process_time()
    denoise = guided_denoiser(denoiser, condition(size), schedule)
    SAMPLERS[way.sampler](denoise, z_1, way.times("cosine"), schedule, lambda _step: torch.randn_like(z_1))
    return time.process_time() - started


def cost(model: ParallelUNet, way: Way) -> str:
    """Return one row: passes of both UNets, each half of guidance counted, and the seconds, without and with reuse."""
    assert model.garment is not None
    size, passes, passes_text = model.config.image_size, [0, 0], []
    hooks = [
        unet.register_forward_hook(lambda _m, a, _o, which=which: passes.__setitem__(which, passes[which] + len(a[0])))
        for which, unet in enumerate((model.person, model.garment))
    ]
    seconds: list[list[float]] = [[], []]
    for repeat in range(REPEATS):
        for which, denoiser in enumerate((model, GarmentReuse(model))):
            passes[:] = [0, 0]
            seconds[which].append(sample(denoiser, way, size))
            if repeat == 0:
                passes_text.append(f"{passes[0]} + {passes[1]}")
    for hook in hooks:
        hook.remove()
    plain, reused = (min(values) for values in seconds)
    return f"{passes_text[0]} | {plain:.2f} | {passes_text[1]} | {reused:.2f} | {reused / plain:.2f}"


def gigaflops(model: ParallelUNet) -> tuple[float, float]:
    """Return the GFLOP of one forward pass: of the whole model, and of its garment UNet alone."""
    # On meta tensors: the CPU's fused attention has no formula in `FlopCounterMode`.
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        ParallelUNet(model.config).eval().encode_garment(condition(model.config.image_size))
    return forward_flops(model.config, model.config.image_size) / 1e9, counter.get_total_flops() / 1e9


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("| schedule | sampler | grid | steps | " + " | ".join(f"σ = {std:g}" for std in STDS.tolist()) + " |")
    print("|---" * (4 + len(STDS)) + "|")
    names: tuple[ScheduleName, ...] = ("cosine", "linear")
    for name in names:
        for way in LOSSES:
            print(f"| {name} | {way} | " + " | ".join(f"{100 * e:+.1f} %" for e in spread_errors(way, name)) + " |")
    print("\n| network | sampler | grid | steps | passes, person + garment | s | with reuse | s | ratio |")
    print("|---" * 9 + "|")
    remarks = []
    for title, config, ways in (("nano, 64²", PRESETS["nano"]["base"], MANY + FEW), ("medium, 128²", medium(), FEW)):
        model = static(config)
        millions, (whole, garment) = count_parameters(config) / 1e6, gigaflops(model)
        remarks.append(
            f"{title}: {millions:.1f} M parameters; a pass is {whole:.2f} GFLOP, the garment's {garment:.2f}"
        )
        sample(model, Way("ddim", "time", 2), model.config.image_size)
        for way in ways:
            print(f"| {title} | {way} | {cost(model, way)} |", flush=True)
    print("\n" + "\n".join(remarks))


if __name__ == "__main__":
    main()
