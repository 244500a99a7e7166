"""Product pictures, and that a garment looks the same in one and on a person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.garments.garment import KINDS, PRINTS, Garment, Kind, Sleeve, garment
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import Arm, pose

APART = Arm("hanging", 0.3, 0.0, 0.25, 0.0)


def _worn(one: Garment, yaw: float = 0.0) -> Drawing:
    outfit = [one, garment(1, "skirt")] if one.slot == "upper" else [one]
    stand = replace(pose(1), left=APART, right=APART, lean=0.0)
    return draw_look(replace(person(1), style="short"), stand, yaw, outfit)


def _colours(image: U8, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the pixels' colours without their brightness, as shares of red, green and blue."""
    pixels = image[mask].astype(np.float64) + 1.0
    shares: NDArray[np.float64] = pixels / pixels.sum(axis=1, keepdims=True)
    return shares


def _near(drawing: Drawing, name: str, subject: str, colour: tuple[int, int, int]) -> float:
    """Return the share of a region that has a colour, whatever its brightness."""
    number = region(name, "item" if subject == "item" else "model")
    shares = _colours(drawing.image, drawing.labels == number)
    wanted = (np.asarray(colour) + 1.0) / (np.sum(colour) + 3.0)
    return float((np.abs(shares - wanted).max(axis=1) < 0.05).mean())


@pytest.mark.parametrize("seed", range(5))
def test_pattern_has_the_same_share_in_both_images(seed: int) -> None:
    one = replace(
        garment(seed, "top"), pattern="rows", print="none", base=(206, 38, 50), second=(36, 94, 196), trim=False
    )
    for colour in (one.base, one.second):
        item = _near(draw_item(one, back=False), "torso", "item", colour)
        worn = _near(_worn(one), "inner_torso", "model", colour)
        assert item == pytest.approx(worn, abs=0.12)
        assert item > 0.25


@pytest.mark.parametrize("shape", PRINTS)
def test_print_is_only_on_the_front(shape: str) -> None:
    one = replace(garment(3, "top"), pattern="plain", base=(36, 94, 196), ink=(247, 196, 40), trim=False)
    one = replace(one, print=next(known for known in PRINTS if known == shape))
    assert _near(draw_item(one, back=False), "torso", "item", one.ink) > 0.03
    assert _near(_worn(one), "inner_torso", "model", one.ink) > 0.03
    assert _near(draw_item(one, back=True), "torso", "item", one.ink) == 0.0
    assert _near(_worn(one, 180.0), "inner_torso", "model", one.ink) == 0.0


def test_sleeves_of_another_colour() -> None:
    one = replace(
        garment(3, "top"), pattern="block", sleeve="long", print="none", base=(36, 94, 196), second=(247, 196, 40)
    )
    for drawing, subject, prefix in ((draw_item(one, back=False), "item", ""), (_worn(one), "model", "inner_")):
        assert _near(drawing, f"{prefix}lsleeve", subject, one.second) > 0.8
        assert _near(drawing, f"{prefix}torso", subject, one.base) > 0.8


@pytest.mark.parametrize(("sleeve", "share"), [("none", 0.0), ("short", 0.25), ("long", 0.9)])
def test_sleeve_length_agrees(sleeve: Sleeve, share: float) -> None:
    one = replace(garment(5, "top"), sleeve=sleeve)
    worn, item = _worn(one), draw_item(one, back=False)
    for drawing, name, bare in (
        (worn, region("inner_lsleeve"), region("left_arm")),
        (item, region("lsleeve", "item"), -1),
    ):
        covered = int((drawing.labels == name).sum())
        assert (covered > 0) == (sleeve != "none")
        if bare >= 0 and covered:
            assert covered / (covered + int((drawing.labels == bare).sum())) == pytest.approx(share, abs=0.25)


SLOTS_OF: dict[tuple[Kind, Sleeve], set[int]] = {
    ("top", "long"): {5, 6, 7, 8, 9, 10, 11, 12},
    ("top", "short"): {5, 6, 7, 8, 11, 12},
    ("top", "none"): {5, 6, 11, 12},
    ("dress", "short"): {5, 6, 7, 8, 11, 12, 13, 14, 15, 16},
    ("dress", "long"): {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    ("trousers", "none"): {11, 12, 13, 14, 15, 16},
    ("shorts", "none"): {11, 12, 13, 14},
}


@pytest.mark.parametrize(("key", "slots"), SLOTS_OF.items(), ids=str)
def test_landmarks_by_type(key: tuple[Kind, Sleeve], slots: set[int]) -> None:
    kind, sleeve = key
    drawing = draw_item(replace(garment(6, kind), sleeve=sleeve), back=False)
    assert set(np.flatnonzero(drawing.keypoints[:, 2])) == slots


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_lie_on_the_garment(kind: Kind, back: bool) -> None:
    for seed in range(3):
        drawing = draw_item(garment(seed, kind), back)
        assert drawing.view_point == int(back)
        for x, y, visible in drawing.keypoints:
            if visible:
                around = drawing.labels[round(y) - 9 : round(y) + 10, round(x) - 9 : round(x) + 10]
                assert (around != BACKGROUND).any()


@pytest.mark.parametrize("kind", KINDS)
def test_inside_is_visible_only_from_the_front(kind: Kind) -> None:
    hidden = [region(name, "item") for name in ("top_hidden", "pants_hidden", "skirt_hidden")]
    assert np.isin(draw_item(garment(1, kind), back=False).labels, hidden).sum() > 100
    assert not np.isin(draw_item(garment(1, kind), back=True).labels, hidden).any()
