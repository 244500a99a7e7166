"""The training step that `trainer fit` makes, on fake tensors: what it allocates, without allocating it.

The trace needs neither a card nor its memory. It takes the branches that a card takes: GroupNorm on channels-last
images without copies, noise drawn on the device, attention that keeps q, k, v, its result and one number a row. Fake
CUDA tensors keep the same (tests/train/training/test_fake_cuda.py). Temporary memory inside kernels is not counted;
`train.memory.search` leaves room for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, StageConfig
from train.data import Batch
from train.data.augment import WHOLE
from train.data.batch import tensors_of
from train.diffusion.schedule import make_schedule
from train.memory.live import LiveMemory
from train.models import count_parameters, set_fused_attention
from train.models.blocks import set_gpu_path
from train.training.optim.update import free_gradients, step_optimizer
from train.training.state import Training
from train.training.step import Stepper, init_training, train_step

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Footprint:
    """Bytes of a training run: what persists between steps, and the peak."""

    weights: int
    optimizer: int
    ema: int
    previous: int
    """The weights of the previous stage, where it makes the low-resolution images."""
    peak: int
    host: int
    """Bytes on the host between two steps; what is there is not in the numbers above."""
    total_peak: int
    """The peak of device and host together, as if they were one memory."""


@cache
def trace(config: StageConfig, on_card: bool = True) -> Footprint:
    """Return the footprint of a step in the middle of a run, when the optimizer has its moments.

    It is the step's second micro-batch where the batch has more than one: gradients are there when it begins. On a card
    there is the whole batch, and the next one, which is copied meanwhile. With ``on_card`` False it is what a CPU
    takes. torch.compile is ignored: fused intermediates are not stored.
    """
    batch = config.data.batch
    micro = min(config.memory.micro_batch or batch, batch)
    config = config.model_copy(update={"compile": False})
    waiting = (2 * batch - micro) * _sample_bytes(config) if on_card else 0
    previous = previous_bytes(config)
    besides = waiting + previous
    with FakeTensorMode(allow_non_fake_inputs=True), LiveMemory() as memory:
        training = init_training(config, _CPU)
        if on_card:
            set_fused_attention(training.model, enabled=True)
            set_gpu_path(training.model)
        _give_gradients(training)
        step_optimizer(training)
        free_gradients(training.model)
        if micro < batch:
            _give_gradients(training)
        stepper = Stepper(config, make_schedule(config.diffusion.schedule), _CPU, draws_on_device=on_card)
        train_step(training, blank_batch(config, micro), stepper)
        return Footprint(
            weights=bytes_of(training.model.parameters()),
            optimizer=0 if training.masters else optimizer_bytes(training),
            ema=0 if config.memory.ema_on_host else bytes_of(training.ema.values()),
            previous=previous,
            peak=memory.device_peak + besides,
            host=memory.host,
            total_peak=memory.total_peak + besides,
        )


def previous_bytes(config: StageConfig) -> int:
    """Return the bytes of the previous stage's weights, which stay on the device if it makes ``config``'s input.

    That stage is the preset's; each process keeps all of it. It makes its images before the step's own activations
    exist, from images of a fraction of their size, so that its activations do not count.
    """
    if not config.diffusion.own_low_res:
        return 0
    before = preset_config(cast("Preset", config.preset), STAGES[STAGES.index(config.stage) - 1])
    return torch.finfo(torch.float32).bits // 8 * count_parameters(before.model)


def blank_batch(config: StageConfig, size: int) -> Batch:
    """Return ``size`` black samples in the shapes that the stage reads."""

    def image() -> torch.Tensor:
        side = config.crop or config.size
        return torch.zeros(size, side, side, 3, dtype=torch.uint8).permute(0, 3, 1, 2)

    photo = torch.tensor([WHOLE] * size)
    if not config.is_try_on:
        return Batch(tuple(range(size)), image(), None, None, None, None, photo)
    Jp, Jg = torch.zeros(size, 17, 3), torch.zeros(size, 17, 3)
    return Batch(tuple(range(size)), image(), image(), image(), Jp, Jg, photo)


def _sample_bytes(config: StageConfig) -> int:
    return bytes_of(tensors_of(blank_batch(config, 1)))


def _give_gradients(training: Training) -> None:
    for parameter in training.model.parameters():
        parameter.grad = torch.zeros_like(parameter)


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of all elements."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def optimizer_bytes(training: Training) -> int:
    """Return the bytes of the optimizer's state."""
    return sum(bytes_of(value for value in state.values()) for state in training.optimizer.state.values())
