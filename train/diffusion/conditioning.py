"""The one way from raw inputs to a Condition, for training and for sampling alike (TryOnDiffusion §3, Imagen §2.4).

Order: the hem is hidden where that is wanted, noise is added to the conditional images, the low-resolution picture is
enlarged, then dropped samples are set to 0. Randomness comes in as tensors, so that whoever trains or samples decides
how it is keyed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion import hem
from train.diffusion.schedule import CosineSchedule, per_sample
from train.models.condition import Condition

_AUGMENTATION = CosineSchedule()


@dataclass(frozen=True)
class TryOnInputs:
    """A batch as it comes from a shard or from the stage before; images in [-1, 1], what a stage does not read None.

    Ia, Ic are (B, 3, H, W), low_res (B, 3, h, w) at its own resolution; Jp, Jg are (B, 17, 3) in [0, 1].
    """

    Ia: Tensor | None = None
    Ic: Tensor | None = None
    Jp: Tensor | None = None
    Jg: Tensor | None = None
    low_res: Tensor | None = None

    @property
    def images(self) -> tuple[Tensor, ...]:
        """The conditional images present, in the order of their noise levels: Ia, Ic, low_res."""
        return tuple(image for image in (self.Ia, self.Ic, self.low_res) if image is not None)


def from_uint8(image: Tensor) -> Tensor:
    """Map a picture of bytes to float32 in [-1, 1]; raises ValueError for any other dtype."""
    if image.dtype != torch.uint8:
        raise ValueError(f"expected a uint8 picture in [0, 255], not {image.dtype}")
    return image.float() / 127.5 - 1.0


def to_uint8(image: Tensor) -> Tensor:
    """Map a picture in [-1, 1] to bytes, the inverse of ``from_uint8``; values outside are clipped."""
    return ((image.float() + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8)


def downsample(image: Tensor, factor: int) -> Tensor:
    """Shrink a picture (B, 3, H, W) by an integer with box averaging: how training makes the stage before's output.

    Raises ValueError unless ``factor`` divides H and W.
    """
    if image.shape[2] % factor or image.shape[3] % factor:
        raise ValueError(f"a picture of {tuple(image.shape[2:])} cannot be shrunk {factor} times")
    return F.avg_pool2d(image, factor)


def augment(image: Tensor, level: Tensor, noise: Tensor | None) -> Tensor:
    """Return α(t_na) I + σ(t_na) n for images (B, 3, H, W), levels (B,) in [0, 1] and standard normal noise.

    Without noise, which need not be drawn where all levels are 0, the image is returned as it is.
    """
    if noise is None:
        return image
    alpha, sigma = _AUGMENTATION.alpha_sigma(level)
    noisy = per_sample(alpha, image) * image + per_sample(sigma, image) * noise
    # A level of 0 means "as it is", not the schedule's smallest σ.
    return torch.where(per_sample(level, image) > 0, noisy, image)


def build_condition(
    inputs: TryOnInputs,
    size: tuple[int, int],
    *,
    t_na: Tensor,
    noise: tuple[Tensor | None, ...],
    drop: Tensor | None = None,
    hide_hem: bool = False,
) -> Condition:
    """Make the Condition of a batch.

    ``size`` is (H, W) of z_t; ``t_na`` (B, n) in [0, 1] and ``noise`` hold one level per sample and one standard normal
    tensor per conditional image, in the order Ia, Ic, low_res, the noise of low_res at its own small resolution, or
    None for an image whose level is 0 in all samples.
    Where ``drop`` (B,) is true every input of that sample is 0, images and poses together; its t_na stays as drawn,
    so that a null condition differs from a real one in its inputs alone. ``hide_hem`` hides more of Ia
    (train/diffusion/hem.py).

    Raises ValueError if images are not floating point or not of the same number as levels and noises.
    """
    if hide_hem and inputs.Ia is not None and inputs.Jp is not None and inputs.Jg is not None:
        inputs = replace(inputs, Ia=hem.hide_hem(inputs.Ia, inputs.Jp, inputs.Jg))
    images = inputs.images
    batch = len(images[0]) if images else 0
    if not images or t_na.shape != (batch, len(images)) or len(noise) != len(images):
        raise ValueError(
            f"{len(images)} conditional images of {batch} samples need as many noises and t_na of shape "
            f"({batch}, {len(images)}), not {len(noise)} noises and {tuple(t_na.shape)}"
        )
    for image in images:
        if not image.is_floating_point():
            raise ValueError(f"a conditional image is {image.dtype}: convert it with from_uint8 to [-1, 1] first")
        assert image.is_cuda or image.abs().max() <= 1.001, "a conditional image leaves [-1, 1]"
    noisy = iter([augment(image, t_na[:, i], noise[i]) for i, image in enumerate(images)])
    Ia, Ic, low_res = (None if image is None else next(noisy) for image in (inputs.Ia, inputs.Ic, inputs.low_res))
    if low_res is not None:
        low_res = F.interpolate(low_res, size=size, mode="bilinear", align_corners=False)
    condition = Condition(t_na, Ia, Ic, inputs.Jp, inputs.Jg, low_res)
    return condition if drop is None else null_condition(condition, drop)


def null_condition(condition: Condition, drop: Tensor | None = None) -> Condition:
    """Set every input but t_na to 0, in all samples or where ``drop`` (B,) is true."""

    def nullify(value: Tensor | None) -> Tensor | None:
        if value is None:
            return None
        if drop is None:
            return torch.zeros_like(value)
        return value.masked_fill(drop.reshape(-1, *[1] * (value.ndim - 1)), 0.0)

    return Condition(condition.t_na, *(nullify(value) for value in condition[1:]))
