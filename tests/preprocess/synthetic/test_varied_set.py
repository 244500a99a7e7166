"""The varied set: its variety occurs, labels stay true, landmarks are the outline's, swaps keep the person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.cli import cli
from preprocess.loading.garment_outline import estimate
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import Box, Canvas
from preprocess.synthetic.drawing.palette import distance
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.garments.drape import drape
from preprocess.synthetic.garments.garment import KINDS, Garment
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.garments.textile import WEAVES
from preprocess.synthetic.garments.varied_garments import varied_garment
from preprocess.synthetic.outfits import Look, make_plan
from preprocess.synthetic.outline_landmarks import with_outline_landmarks
from preprocess.synthetic.people.look import draw_look, look_view
from preprocess.synthetic.people.pose import frame_yaw
from preprocess.synthetic.people.skeleton import skeleton
from preprocess.synthetic.people.varied_people import varied_person, varied_pose
from preprocess.synthetic.photography.backdrops import paint_backdrop
from preprocess.synthetic.photography.photograph import BACKDROPS
from preprocess.synthetic.swap_truth import plan_swaps, swap_mask
from schemas import MASK_GARMENT, MASK_KEPT, Keypoint

MANY = 500
POSES = [varied_pose(seed) for seed in range(MANY)]
PEOPLE = [varied_person(seed) for seed in range(MANY)]
TOPS = [varied_garment(seed, "top") for seed in range(MANY)]


def _draw(look: Look, outfit: list[Garment], frame: str = "000") -> Drawing:
    stance = look.stance()
    return draw_look(look.wearer(), stance, frame_yaw(stance, frame), outfit)


def _share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def _spread(values: list[float]) -> tuple[float, float]:
    low, high = np.percentile(values, (10, 90))
    return float(low), float(high)


def test_the_same_seed_draws_the_same() -> None:
    look = make_plan(1, 3, "varied").looks[0]
    outfit = [varied_garment(5, "top"), varied_garment(6, "skirt")]
    one, other = _draw(look, outfit), _draw(look, outfit)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (draw_item(outfit[0], back=False).image == draw_item(outfit[0], back=False).image).all()
    assert (_draw(replace(look, pose=look.pose + 1), outfit).image != one.image).mean() > 0.5


@pytest.mark.parametrize(
    ("hold", "least", "most"),
    [
        ("crossed", 0.08, 0.17),
        ("pocket", 0.12, 0.3),
        ("hip", 0.15, 0.35),
        ("behind", 0.04, 0.16),
        ("raised", 0.1, 0.3),
    ],
)
def test_arms_are_held_in_every_way(hold: str, least: float, most: float) -> None:
    assert least < _share([hold in (pose.left.hold, pose.right.hold) for pose in POSES]) < most


def test_heads_hair_and_bodies_vary() -> None:
    assert 0.2 < _share([abs(pose.head_turn) > 24 for pose in POSES]) < 0.36
    assert 0.15 < _share([max(person.hair_front) > 0.3 for person in PEOPLE]) < 0.5
    low, high = _spread([person.waist for person in PEOPLE])
    assert low < 0.90
    assert high > 1.12
    low, high = _spread([person.height for person in PEOPLE])
    assert high - low > 0.1


def test_cuts_and_ways_of_wearing_vary() -> None:
    low, high = _spread([top.ease for top in TOPS])
    assert low < 0.0 < 0.3 < high
    low, high = _spread([top.hem for top in TOPS])
    assert high - low > 0.08
    cuts = [top.cut for top in TOPS if top.cut is not None]
    assert len(cuts) == MANY
    ends = [cut.sleeve_end for cut in cuts]
    for low, high in ((0.0, 0.001), (0.05, 0.09), (0.09, 0.14), (0.2, 0.27), (0.29, 0.32)):
        assert _share([low <= end <= high for end in ends]) > 0.04
    wears = [pose.wear for pose in POSES if pose.wear is not None]
    assert 0.12 < _share([wear.tucked for wear in wears]) < 0.28
    assert 0.08 < _share([wear.rolled < 0.9 for wear in wears]) < 0.22


def test_photographs_vary() -> None:
    photographs = [pose.photograph for pose in POSES if pose.photograph is not None]
    assert {photograph.backdrop for photograph in photographs} == set(BACKDROPS)
    for name, width in (("zoom", 0.3), ("tilt", 3.5), ("noise", 4.0), ("blur", 0.8), ("quality", 20), ("gamma", 0.2)):
        low, high = _spread([float(getattr(photograph, name)) for photograph in photographs])
        assert high - low > width, name
    low, high = _spread([photograph.tint[0] / photograph.tint[2] for photograph in photographs])
    assert low < 0.92
    assert high > 1.09
    assert 0.3 < _share([photograph.light.across > 0 for photograph in photographs]) < 0.7


def test_many_cloths_are_nearly_alike_and_all_patterns_occur() -> None:
    textiles = [top.textile for top in TOPS if top.textile is not None]
    assert {textile.weave for textile in textiles} >= set(WEAVES) - {"denim"}
    assert 0.2 < _share([textile.front is not None for textile in textiles]) < 0.5
    grounds = [textile.colours[0] for textile in textiles[:200]]
    near = [sum(distance(one, other) < 30 for other in grounds) - 1 for one in grounds]
    # With 200 garments to choose from, most have several whose colour is no help.
    assert np.median(near) >= 4


def _scene(seed: int) -> Scene:
    person, pose = PEOPLE[seed], POSES[seed]
    assert pose.photograph is not None
    canvas = Canvas(paint_backdrop(pose.photograph, (360.0, 1100.0, 100.0)))
    return Scene(canvas, look_view(person, pose, 0.0), skeleton(person, pose), "model", (seed, 0))


def _beyond_affine(across: NDArray[np.float32], down: NDArray[np.float32]) -> float:
    """Return the root mean square of what the best affine map leaves of a displacement, pixels."""
    ys, xs = np.mgrid[: across.shape[0], : across.shape[1]]
    basis = np.stack([np.ones(xs.size), xs.ravel(), ys.ravel()], 1)
    wanted = np.stack([across.ravel(), down.ravel()], 1).astype(np.float64)
    rest = wanted - basis @ np.linalg.lstsq(basis, wanted, rcond=None)[0]
    return float(np.sqrt((rest**2).sum(1).mean()))


def test_a_print_on_a_person_is_no_affine_copy_and_looser_cloth_moves_more() -> None:
    moved: dict[float, list[float]] = {0.0: [], 1.0: []}
    shaded: list[float] = []
    for seed in range(12):
        scene = _scene(seed)
        view = scene.view
        x, y, _ = view.screen((0.0, 0.30, 0.06))
        half = 0.055 * view.unit
        box = Box.around(x - half, y - half, x + half, y + half)
        for loose, found in moved.items():
            across, down, tone = drape(scene, "body", loose, (seed, 7), 1.0).at(box)
            found.append(_beyond_affine(across, down) / view.unit)
            shaded.append(float(tone.std()))
    # In thousandths of the height, of which a print is about a hundred wide.
    assert 0.8 < 1000 * np.median(moved[0.0]) < 1000 * np.median(moved[1.0]) < 15
    assert np.median(shaded) > 0.02


def test_loose_cloth_stands_off_the_body() -> None:
    look = make_plan(1, 3, "varied").looks[0]
    stance = look.stance()
    calm = replace(stance, left=replace(stance.left, hold="behind", out=0.2, fore=-0.3),
                   right=replace(stance.right, hold="behind", out=0.2, fore=-0.3))  # fmt: skip
    cut = TOPS[0].cut
    assert cut is not None
    widths = []
    for ease in (-0.05, 0.15, 0.45):
        top = replace(TOPS[0], sleeve="none", ease=ease, hem=0.53, cut=replace(cut, slack=1.0, sleeve_end=0.0))
        drawing = draw_look(look.wearer(), calm, 0.0, [top, varied_garment(6, "trousers")])
        widths.append(int((drawing.labels == region("inner_torso")).sum()))
    assert widths[0] * 1.08 < widths[1]
    assert widths[1] * 1.08 < widths[2]


@pytest.mark.parametrize("seed", range(3))
def test_labels_and_joints_go_where_the_image_goes(seed: int) -> None:
    pose = POSES[seed]
    assert pose.photograph is not None
    clear = replace(
        pose.photograph, backdrop="plain", ground=(20, 200, 60), noise=0.0, blur=0.0, tint=(1, 1, 1), tilt=5.0
    )
    top = varied_garment(seed, "top")
    textile = top.textile
    assert textile is not None
    red = replace(textile, weave="plain", colours=((220, 20, 30),) * 3, front=None, back=None, sleeves=False)
    top = replace(top, textile=red, base=(220, 20, 30), second=(220, 20, 30))
    outfit = [top, varied_garment(seed, "trousers")]
    trousers = outfit[1].textile
    assert trousers is not None
    outfit[1] = replace(outfit[1], textile=replace(trousers, weave="plain", colours=((30, 30, 220),) * 3, front=None))
    drawing = draw_look(PEOPLE[seed], replace(pose, photograph=clear), 0.0, outfit)
    pixels = drawing.image.astype(np.int32)
    looks_red = (pixels[..., 0] > 5 * pixels[..., 1]) & (pixels[..., 0] > 5 * pixels[..., 2])
    labelled = np.isin(drawing.labels, [region(name) for name in ("inner_torso", "inner_lsleeve", "inner_rsleeve")])
    assert (looks_red & labelled).sum() / (looks_red | labelled).sum() > 0.93
    for x, y, visible in drawing.keypoints:
        if visible == 2:
            assert drawing.labels[round(y), round(x)] != BACKGROUND


@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_of_products_are_those_of_the_outline(kind: str) -> None:
    away = []
    for seed in range(2):
        garment = varied_garment(seed, kind)  # type: ignore[arg-type]
        drawing = draw_item(garment, back=False)
        marked = with_outline_landmarks(drawing, garment.slot)
        rule = "upper" if garment.slot == "outer" else garment.slot
        found, _ = estimate(drawing.labels != BACKGROUND, rule)
        np.testing.assert_array_equal(marked.keypoints[:, :2], found[:, :2])
        both = (marked.keypoints[:, 2] > 0) & (drawing.keypoints[:, 2] > 0)
        assert both.any()
        away.append(np.abs(marked.keypoints[both, :2] - drawing.keypoints[both, :2]).mean())
    assert max(away) > 1.0  # they are not the true ones


def test_left_and_right_of_a_back_are_the_wearers() -> None:
    garment = next(top for top in TOPS if top.sleeve == "short")
    for back in (False, True):
        points = with_outline_landmarks(draw_item(garment, back=back), "upper").keypoints
        left, right = points[Keypoint.LEFT_SHOULDER], points[Keypoint.RIGHT_SHOULDER]
        assert left[2] == right[2] == 2
        assert (left[0] < right[0]) == back


def test_a_swap_changes_the_garment_alone() -> None:
    plan = make_plan(60, 5, "varied")
    for wearing in plan_swaps(plan, 2)[:3]:
        own = [item.garment() for item in wearing.outfit]
        photograph = _draw(wearing.look, own)
        kept_outfit = [one for one in own if one.slot != wearing.slot]
        swapped = _draw(wearing.look, [*kept_outfit, wearing.others[0].garment()])
        mask = swap_mask(photograph, swapped, wearing.slot)
        assert (mask == MASK_GARMENT).sum() > 2000
        np.testing.assert_array_equal(photograph.keypoints[:, :2], swapped.keypoints[:, :2])
        for area in (mask == MASK_KEPT, swapped.labels == BACKGROUND):
            apart = np.abs(photograph.image.astype(int) - swapped.image)[area & (photograph.labels == swapped.labels)]
            # A garment's shadow and the lens's blur reach a little beyond its edge.
            assert np.mean(apart <= 2) > 0.9


def test_command_writes_it_and_refuses_to_mix_the_sets(tmp_path: Path) -> None:
    words = ["sample-data", "--out", str(tmp_path / "set"), "--looks", "2", "--workers", "1"]
    done = CliRunner().invoke(cli, [*words, "--variety", "varied"])
    assert done.exit_code == 0, done.output
    plan = json.loads((tmp_path / "set" / "drawn.json").read_bytes())
    assert plan["variety"] == "varied"
    mixed = CliRunner().invoke(cli, words)
    assert isinstance(mixed.exception, UserError)
    assert "holds the varied set; give --variety varied, or an empty folder" in str(mixed.exception)
    assert "variety" not in make_plan(2, 0).document()
