"""Which pixels a network paints: those inside the photograph, and of these those that Ia does not show.

A crop may be larger than its image, and augmentation shifts it. Beyond the photograph the shards are mid-grey. The loss
ignores pixels that are not to be painted, and samplers set them to their known values: mid-grey beyond the photograph,
and with ``keep_shown`` the pixels of Ia. So a network neither learns nor paints what is outside of the photograph, and
a face stays bit-identical.
"""

from __future__ import annotations

import torch
from torch import Tensor

from schemas import MID_GREY

GREY = MID_GREY / 127.5 - 1.0
"""Mid-grey in [-1, 1]."""
_ROUNDING = 1e-3
"""Tolerance of a box's edge, in pixels."""


def inside_photo(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which pixels (B, 1, H, W) lie entirely inside the photograph.

    ``boxes`` (B, 4) are left, top, right, bottom of the photograph in [0, 1] of the image, ``size`` is (H, W).
    """
    rows, columns = (torch.arange(length, device=boxes.device) for length in size)
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    across = (columns >= left * size[1] - _ROUNDING) & (columns + 1 <= right * size[1] + _ROUNDING)
    down = (rows >= top * size[0] - _ROUNDING) & (rows + 1 <= bottom * size[0] + _ROUNDING)
    return (down[:, :, None] & across[:, None, :])[:, None]


def paint_mask(Ia: Tensor | None, boxes: Tensor | None, size: tuple[int, int]) -> Tensor | None:
    """Return which pixels (B, 1, H, W) are to be painted: inside the photographs, and where Ia, if given, is mid-grey.

    ``boxes`` are those of ``inside_photo``. None stands for all pixels.
    """
    inside = None if boxes is None else inside_photo(boxes, size)
    if Ia is None:
        return inside
    hidden = ((Ia - GREY).abs() < 0.5 / 127.5).all(dim=1, keepdim=True)
    return hidden if inside is None else hidden & inside


def grey_outside(image: Tensor, boxes: Tensor | None) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1], mid-grey beyond the photographs; unchanged without boxes."""
    return grey_where_not(None if boxes is None else inside_photo(boxes, (image.shape[2], image.shape[3])), image)


def grey_where_not(inside: Tensor | None, image: Tensor) -> Tensor:
    """Return images (B, 3, H, W), mid-grey where ``inside`` (B, 1, H, W) is false; unchanged if it is None."""
    return image if inside is None else torch.where(inside, image, GREY)
