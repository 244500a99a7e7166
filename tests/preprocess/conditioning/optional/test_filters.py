"""The limits of the user's own: each rejects what is beyond it, says the figure, and leaves the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from configurations import CONFIGURATION
from PIL import Image

from preprocess.conditioning.optional.filters import colourfulness, sharpness
from preprocess.faults import Fault
from preprocess.planning.pairing import records
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from schemas import Filters, Reject

Change = Callable[[Any], Any]


def first(aihub: Path, **limits: Any) -> Members | Reject:
    files = Files(aihub)
    one = next(iter(records(open_aihub(files), "upper")))
    (made,) = make_samples(files, [one], CONFIGURATION.model_copy(update={"filters": Filters(**limits)}))
    return made


def change_person(aihub: Path, change: Change) -> None:
    path = next(aihub.rglob("Model-Image/1008_A001_000.jpg"))
    Image.fromarray(change(np.asarray(Image.open(path)))).save(path, quality=95)


def as_grey(pixels: Any) -> Any:
    return np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


@pytest.mark.parametrize(
    ("change", "limits", "reason", "figure"),
    [
        (None, {"min_size": 800}, Fault.SMALL_IMAGE, "720 px on its shorter side, and at least 800"),
        (None, {"max_aspect": 1.5}, Fault.LONG_IMAGE, "1.778 times as long"),
        (None, {"min_person": 700}, Fault.SMALL_PERSON, "px is the side of the person's crop, and at least 700"),
        (lambda p: cv2.GaussianBlur(p, (0, 0), 8), {"min_sharpness": 30}, Fault.BLURRED_IMAGE, "at least 30"),
        (lambda p: p // 8, {"min_light": 60}, Fault.DARK_IMAGE, "at least 60"),
        (lambda p: 255 - p // 16, {"max_light": 230}, Fault.LIGHT_IMAGE, "at most 230"),
        (as_grey, {"min_colour": 4}, Fault.GREY_IMAGE, "at least 4"),
        (None, {"min_confidence": 1.0}, None, ""),
    ],
)
def test_a_limit_rejects_what_is_beyond_it(
    change: Change | None, limits: dict[str, Any], reason: Fault | None, figure: str, aihub: Path
) -> None:
    if change is not None:
        assert isinstance(first(aihub, **limits), Members)
        change_person(aihub, change)
    made = first(aihub, **limits)
    if reason is None:
        assert isinstance(made, Members)
        return
    assert isinstance(made, Reject)
    assert made.reason == reason
    assert figure in made.detail
    assert isinstance(first(aihub, min_size=700, max_aspect=2, min_person=100), Members)


def test_an_unsure_pose_is_rejected(aihub: Path, edit: Any) -> None:
    def without_a_wrist(document: dict[str, Any]) -> None:
        document["landmarks"][9 * 3 : 10 * 3] = [0, 0, 0]

    edit(next(aihub.rglob("Model-Pose/1008_A001_000.json")), without_a_wrist)
    made = first(aihub, min_confidence=0.95)
    assert isinstance(made, Reject)
    assert made.reason == Fault.UNSURE_JOINTS
    assert made.detail.startswith("0.9231 is the confidence of the pose, and at least 0.95")
    assert isinstance(first(aihub, min_confidence=0.9), Members)


def test_blur_lowers_sharpness_and_grey_has_no_colour() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64), np.uint8)
    levels = [sharpness(np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma))) for sigma in (0.3, 1, 2, 4)]
    assert levels == sorted(levels, reverse=True)
    assert sharpness(np.full((8, 8), 9, np.uint8)) == 0
    assert colourfulness(np.full((8, 8, 3), 77, np.uint8)) == 0
    assert colourfulness(np.full((8, 8, 3), (255, 100, 0), np.uint8)) == 255
