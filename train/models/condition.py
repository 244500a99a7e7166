"""What a denoiser is told besides z_t and t: one type for all three stages of the cascade.

It stands apart from ``train.models`` and ``train.diffusion`` so that either can be read and replaced without the
other. ``train.diffusion.conditioning`` is the only place that builds one.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Condition(NamedTuple):
    """A batch of conditional inputs, already noise-augmented, resized and, where dropped, zero.

    The Parallel-UNets read Ia, Ic, Jp and Jg (c_tryon), that of the second stage ``low_res`` as well; the
    Efficient-UNet reads ``low_res`` alone. What a stage does not read is None.
    """

    t_na: Tensor
    """(B, n) in [0, 1]: the noise level of each conditional image, in the order Ia, Ic, low_res of those present."""
    Ia: Tensor | None = None
    """(B, 3, H, W) about [-1, 1]: the clothing-agnostic picture of the person."""
    Ic: Tensor | None = None
    """(B, 3, H, W) about [-1, 1]: the segmented garment."""
    Jp: Tensor | None = None
    """(B, 17, 3) in [0, 1]: the person's pose as x, y, visibility."""
    Jg: Tensor | None = None
    """(B, 17, 3) in [0, 1]: the pose that belongs to the garment."""
    low_res: Tensor | None = None
    """(B, 3, H, W) about [-1, 1]: the stage before's picture, bilinearly enlarged to the size of z_t."""


def check_shapes(z_t: Tensor, t_na: Tensor, levels: int, stride: int) -> None:
    """Raise ValueError unless z_t (B, 3, H, W) halves down to ``stride`` and t_na is (B, levels)."""
    if z_t.shape[2] % stride or z_t.shape[3] % stride:
        raise ValueError(f"z_t is {tuple(z_t.shape)}: both sides must be multiples of {stride}")
    if t_na.shape != (z_t.shape[0], levels):
        raise ValueError(f"t_na is {tuple(t_na.shape)}: one level per sample and image is {(z_t.shape[0], levels)}")


class Denoiser(Protocol):
    """Any model of the cascade."""

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        """Predict from z_t (B, 3, H, W) at times t (B,) in [0, 1]; the result has the shape of z_t."""
