"""torchvision's nms in plain torch: beside a CPU build of torch its own compiled operators cannot be loaded."""

from __future__ import annotations

import torch
from torch import Tensor

_LIBRARIES: list[torch.library.Library] = []
"""Operators are there for as long as the library that defines them."""


def provide() -> None:
    """Define the operators unless torchvision has brought its own."""
    if _LIBRARIES or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    library.impl("nms", _nms, "CPU")  # type: ignore[no-untyped-call]
    _LIBRARIES.append(library)
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True


def _nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the boxes, by falling score, that no kept one overlaps by more than the threshold."""
    kept: list[int] = []
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    for number in scores.argsort(descending=True).tolist():
        if kept:
            others = boxes[kept]
            low, high = torch.maximum(others[:, :2], boxes[number, :2]), torch.minimum(others[:, 2:], boxes[number, 2:])
            overlap = (high - low).clamp(min=0).prod(dim=1)
            if (overlap / (areas[kept] + areas[number] - overlap) > iou_threshold).any():
                continue
        kept.append(number)
    return torch.tensor(kept, dtype=torch.int64)
