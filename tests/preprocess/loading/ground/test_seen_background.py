"""A shadow's margin is soft, and its hue is the background's; the edge of cloth is neither."""

import cv2
import numpy as np

from preprocess.formats.images import Pixels
from preprocess.loading.ground.second_opinions import settled
from preprocess.loading.ground.seen_background import seen_against_border

GROUND = (246, 246, 246)
SIZE = (384, 288)


def scene(depth: float, softness: float, cloth: tuple[int, int, int] | None) -> Pixels:
    """Return a background with a round shadow, and a rectangle of cloth above it."""
    rows, columns = np.indices(SIZE, np.float32)
    disc = (np.hypot((rows - 240) / 0.5, columns - 144) < 60).astype(np.float32)
    light = 1 - depth * cv2.GaussianBlur(disc, (0, 0), softness)
    pixels = np.full((*SIZE, 3), GROUND, np.float32) * light[..., None]
    if cloth is not None:
        pixels[100:230, 90:200] = cloth
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.8).round(), np.uint8)


def test_a_soft_shadow_has_no_edge_and_a_hard_disc_has() -> None:
    soft, hard = (seen_against_border(scene(0.3, softness, None)) for softness in (8.0, 0.5))
    below = np.s_[215:300, 60:230]
    assert soft.shade[below].all()
    assert (soft.slope > soft.edge)[below].mean() < 0.002
    assert (hard.slope > hard.edge)[below].mean() > 0.015


def test_cloth_above_a_shadow_keeps_its_edge() -> None:
    ground = seen_against_border(scene(0.3, 8.0, (228, 226, 222)))
    steep = ground.slope > ground.edge
    assert steep[98:103, 100:190].any(axis=0).all(), "towards the background"
    assert steep[227:233, 100:190].any(axis=0).mean() > 0.9, "towards the shadow"


def test_opinions_are_settled_by_hue_and_a_shadow_is_left_out() -> None:
    ground = seen_against_border(scene(0.3, 8.0, (240, 236, 222)))
    cloth = np.zeros(SIZE, np.bool_)
    cloth[100:230, 90:200] = True
    missing, with_shadow = cloth.copy(), cloth.copy()
    missing[180:230, 90:130] = False
    with_shadow[230:262, 140:180] = True
    for one, other in zip(
        settled(missing, with_shadow, ground), settled(with_shadow, missing, ground)[::-1], strict=True
    ):
        assert (one == other).all()
        assert float((one & cloth).sum() / cloth.sum()) > 0.99
        assert float((one & ~cloth)[240:].sum()) < 0.01 * float(cloth.sum())
