"""Condition: a denoiser's inputs other than z_t and t, one type for all three stages of the cascade.

It has its own module so that neither ``train.diffusion`` nor the networks depend on each other.
``train.diffusion.conditioning`` is the only place that builds a Condition.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Condition(NamedTuple):
    """A batch of conditioning inputs, already noise-augmented and resized, and zero where dropped.

    The Parallel-UNets read Ia, Ic, Jp and Jg (c_tryon), in the second stage ``low_res`` as well; the Efficient-UNet
    reads only ``low_res``. Inputs that a stage does not read are None.
    """

    t_na: Tensor
    """(B, n) in [0, 1]: the noise level of each conditioning image that is present, in the order Ia, Ic, low_res."""
    Ia: Tensor | None = None
    """(B, 3, H, W), approximately in [-1, 1]: the clothing-agnostic image of the person."""
    Ic: Tensor | None = None
    """(B, 3, H, W), approximately in [-1, 1]: the segmented garment."""
    Jp: Tensor | None = None
    """(B, 17, 3) in [0, 1]: the person's pose as x, y, visibility."""
    Jg: Tensor | None = None
    """(B, 17, 3) in [0, 1]: the garment's pose, in the same format."""
    low_res: Tensor | None = None
    """(B, 3, H, W), approximately in [-1, 1]: the previous stage's image, upsampled (bilinear) to the size of z_t."""


_GREY = 1.5 / 127.5
"""Largest distance from 0, in any channel, of mid-grey that was stored as JPEG."""


def is_grey(image: Tensor) -> Tensor:
    """Return where an image (B, 3, H, W) in [-1, 1] is mid-grey or dropped, (B, 1, H, W)."""
    return (image.abs() <= _GREY).all(dim=1, keepdim=True)


def check_shapes(z_t: Tensor, t_na: Tensor, levels: int, stride: int) -> None:
    """Raise ValueError unless the sides of z_t (B, 3, H, W) are multiples of ``stride`` and t_na is (B, levels)."""
    if z_t.shape[2] % stride or z_t.shape[3] % stride:
        raise ValueError(f"z_t is {tuple(z_t.shape)}: both sides must be multiples of {stride}")
    if t_na.shape != (z_t.shape[0], levels):
        raise ValueError(f"t_na is {tuple(t_na.shape)}, not {(z_t.shape[0], levels)}: one level per sample and image")


class Denoiser(Protocol):
    """The signature of all models of the cascade."""

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        """Predict from z_t (B, 3, H, W) at times t (B,) in [0, 1]; the result has the shape of z_t.

        A network that copies the garment returns more channels after the image's (`train.models.warp.copying`).
        """
