"""Build a Condition from raw inputs, in the same way for training and sampling (TryOnDiffusion §3, Imagen §2.4).

Order: ``with_hem_hidden`` if configured, noise is added to the conditioning images, the low-resolution image is
upsampled, then dropped samples are set to 0. Random numbers are passed in as tensors, so that the caller decides how
they are keyed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion import hem
from train.diffusion.schedule import CosineSchedule, expand_like
from train.models.condition import Condition

_AUGMENTATION = CosineSchedule()


@dataclass(frozen=True)
class TryOnInputs:
    """A batch from a shard or from the previous stage; images in [-1, 1], None for inputs that the stage does not read.

    Ia, Ic are (B, 3, H, W), low_res (B, 3, h, w) at its own resolution; Jp, Jg are (B, 17, 3) in [0, 1].
    """

    Ia: Tensor | None = None
    Ic: Tensor | None = None
    Jp: Tensor | None = None
    Jg: Tensor | None = None
    low_res: Tensor | None = None
    photo: Tensor | None = None
    """(B, 4): the photograph's left, top, right, bottom in [0, 1] of the image; None: it fills the image."""

    @property
    def images(self) -> tuple[Tensor, ...]:
        """The conditioning images that are present, in the order of their noise levels: Ia, Ic, low_res."""
        return tuple(image for image in (self.Ia, self.Ic, self.low_res) if image is not None)


def from_uint8(image: Tensor) -> Tensor:
    """Map a uint8 image to float32 in [-1, 1]; raises ValueError for any other dtype."""
    if image.dtype != torch.uint8:
        raise ValueError(f"expected a uint8 image in [0, 255], not {image.dtype}")
    return image.float() / 127.5 - 1.0


def to_uint8(image: Tensor) -> Tensor:
    """Map an image in [-1, 1] to uint8, the inverse of ``from_uint8``; values outside are clipped."""
    return ((image.float() + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8)


def downsample(image: Tensor, factor: int) -> Tensor:
    """Downsample images (B, 3, H, W) by an integer factor with box averaging: the low-resolution input in training.

    Raises ValueError unless ``factor`` divides H and W.
    """
    if image.shape[2] % factor or image.shape[3] % factor:
        raise ValueError(f"an image of {tuple(image.shape[2:])} cannot be downsampled by {factor}")
    return F.avg_pool2d(image, factor)


def augment(image: Tensor, level: Tensor, noise: Tensor | None) -> Tensor:
    """Return α(t_na) I + σ(t_na) n for images (B, 3, H, W), levels (B,) in [0, 1] and standard normal noise.

    With noise None, for a batch whose levels are all 0, the image is returned unchanged.
    """
    if noise is None:
        return image
    alpha, sigma = _AUGMENTATION.alpha_sigma(level)
    noisy = expand_like(alpha, image) * image + expand_like(sigma, image) * noise
    # A level of 0 means "unchanged", not the schedule's smallest σ.
    return torch.where(expand_like(level, image) > 0, noisy, image)


def with_hem_hidden(inputs: TryOnInputs) -> TryOnInputs:
    """Return the inputs with the band of Ia hidden that may contain the worn top's hem (train/diffusion/hem.py)."""
    if inputs.Ia is None or inputs.Jp is None or inputs.Jg is None:
        return inputs
    return replace(inputs, Ia=hem.hide_hem(inputs.Ia, inputs.Jp, inputs.Jg, inputs.photo))


def build_condition(
    inputs: TryOnInputs,
    size: tuple[int, int],
    *,
    t_na: Tensor,
    noise: tuple[Tensor | None, ...],
    drop: Tensor | None = None,
) -> Condition:
    """Build the Condition of a batch.

    ``size`` is (H, W) of z_t; ``t_na`` (B, n) in [0, 1] has one level per sample and conditioning image, ``noise``
    one standard normal tensor per conditioning image, both in the order Ia, Ic, low_res. The noise of low_res has its
    small resolution; noise is None for an image whose level is 0 in all samples.
    Where ``drop`` (B,) is true, all inputs of the sample are 0, images and poses; t_na keeps its value, so that a null
    condition differs from a real one only in its inputs.

    Raises ValueError if images are not floating point, or if their number differs from that of levels or noises.
    """
    images = inputs.images
    batch = len(images[0]) if images else 0
    if not images or t_na.shape != (batch, len(images)) or len(noise) != len(images):
        raise ValueError(
            f"{len(images)} conditioning images of {batch} samples need {len(images)} noises and t_na of shape "
            f"({batch}, {len(images)}), not {len(noise)} noises and {tuple(t_na.shape)}"
        )
    for image in images:
        if not image.is_floating_point():
            raise ValueError(f"a conditioning image is {image.dtype}: convert it to [-1, 1] with from_uint8 first")
        assert image.is_cuda or image.abs().max() <= 1.001, "a conditioning image is outside [-1, 1]"
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
