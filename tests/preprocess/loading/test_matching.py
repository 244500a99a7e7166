"""Image, pose and label map are made to agree: turned maps, other grids, other people's skeletons, wrong tables."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from drawn_sets import label_map, look
from numpy.typing import NDArray

from preprocess.conditioning.agreement import agreement
from preprocess.conditioning.turns import SIDEWAYS, UPRIGHT, Turn
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels
from preprocess.formats.keypoint_files import Skeletons
from preprocess.formats.pose_sides import is_mirrored, view_of
from preprocess.label_tables import NAMES, Pixelwise
from preprocess.loading.matching import Evidence, Matched, match, with_sides_swapped
from schemas import FLIP

Points = NDArray[np.float64]
SEEDS = (3, 5, 6)
TURNS = (*UPRIGHT[1:], *SIDEWAYS)
_SIDED = {"cihp": ((14, 15), (16, 17), (18, 19)), "dress-code": ((9, 10), (12, 13), (14, 15))}


@dataclass(frozen=True)
class Drawn:
    pixels: Pixels
    numbers: NDArray[np.uint8]
    points: Points
    labels: Pixelwise = "cihp"

    @property
    def size(self) -> tuple[int, int]:
        return self.numbers.shape[1], self.numbers.shape[0]

    def matched(self, *people: Points, canvas: tuple[float, float] | None = None, fractions: bool = False) -> Matched:
        skeletons = Skeletons(people or (self.points,), canvas, fractions)
        evidence = Evidence(self.numbers, skeletons, self.labels, None, "pose.json", "map.png")
        return match(evidence, (self.pixels.shape[1], self.pixels.shape[0]), self.pixels)


def drawn(seed: int, labels: Pixelwise = "cihp") -> Drawn:
    pixels, regions, points = look(seed, ("top", "trousers"))
    known = points * (1, 1, 0) + (0, 0, 1) * (points[:, 2:] > 0)
    return Drawn(pixels, label_map(regions, labels), known, labels)


def _exchanged(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sides = np.arange(256, dtype=np.uint8)
    for left, right in _SIDED["cihp"]:
        sides[[left, right]] = right, left
    return sides[numbers]


def assert_found(person: Drawn, found: Matched, *faults: Fault) -> None:
    assert found.faults == faults
    assert np.array_equal(found.numbers, person.numbers)
    np.testing.assert_allclose(found.points, person.points, atol=1e-6)


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("labels", ["cihp", "dress-code"])
def test_sound_records_are_left_alone(seed: int, labels: Pixelwise) -> None:
    person = drawn(seed, labels)
    assert agreement(person.numbers, person.points, labels).mean > 0.88
    assert_found(person, person.matched())


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_turned_map_is_turned_back(seed: int, turn: Turn) -> None:
    person = drawn(seed)
    found = replace(person, numbers=np.ascontiguousarray(turn.of(person.numbers))).matched()
    assert_found(person, found, Fault.TURNED_LABELS)
    assert not found.sides_swapped


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_map_turned_together_with_its_pose_is_seen_by_the_image(seed: int, turn: Turn) -> None:
    """As by an estimator that does not read EXIF: where the image is mirrored it sees the other sides."""
    person = drawn(seed)
    numbers, points = turn.of(person.numbers), turn.of_points(person.points, person.size)
    sides = np.arange(256, dtype=np.uint8)
    if turn.mirrors:
        points = points[list(FLIP)]
        for left, right in _SIDED["cihp"]:
            sides[[left, right]] = right, left
    found = replace(person, numbers=sides[numbers], points=points).matched()
    assert found.sides_swapped == turn.mirrors
    assert_found(replace(person, numbers=sides[person.numbers]), found, Fault.TURNED_LABELS)


@pytest.mark.parametrize("turn", [turn for turn in TURNS if not turn.mirrors])
def test_a_turned_pose_is_turned_back(turn: Turn) -> None:
    person = drawn(5)
    assert_found(person, person.matched(turn.of_points(person.points, person.size)), Fault.TURNED_LABELS)


@pytest.mark.parametrize(("frame", "whole"), [("000", True), ("000", False), ("088", False), ("132", False)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_record_keeps_its_view(seed: int, frame: str, whole: bool) -> None:
    """As estimators label a mirrored picture, or (``whole``) mirrored with its labels, left and right not exchanged."""
    pixels, regions, points = look(seed, ("top", "trousers"), frame)
    known = points * (1, 1, 0) + (0, 0, 1) * (points[:, 2:] > 0)
    sound = Drawn(pixels, label_map(regions, "cihp"), known)
    mirror = Turn(mirrored=True)
    moved = mirror.of_points(known, sound.size)
    record = Drawn(np.ascontiguousarray(mirror.of(pixels)), np.ascontiguousarray(mirror.of(sound.numbers)), moved)
    own = Drawn(record.pixels, _exchanged(record.numbers), moved[list(FLIP)])
    found = (record if whole else own).matched()
    assert view_of(found.points) == {"000": "front", "088": "side", "132": "back"}[frame]
    assert found.faults == ((Fault.TURNED_LABELS,) if whole else ())
    np.testing.assert_allclose(found.points, own.points, atol=1e-6)
    assert found.sides_swapped == whole


def test_the_sides_of_a_pose_alone_are_exchanged_where_its_face_is_mirrored_too() -> None:
    person = drawn(3)
    found = person.matched(person.points[list(FLIP)])
    assert_found(person, found, Fault.TURNED_LABELS)
    assert not found.sides_swapped


def test_a_back_that_looks_over_the_shoulder_stays_a_back() -> None:
    _, _, points = look(3, ("top", "trousers"), "132")
    back = points * (1, 1, 0) + (0, 0, 1) * (points[:, 2:] > 0)
    face = drawn(3).points[:5] - drawn(3).points[0] * (1, 1, 0) + (*back[5:7, :2].mean(axis=0), 0)
    for hidden in (3, 4):
        turned = back.copy()
        turned[:5] = face
        turned[hidden] = 0
        assert view_of(turned) == "back"
        assert not is_mirrored(turned)


def test_an_image_on_its_side_with_upright_labels_is_turned() -> None:
    person = drawn(5)
    lying = replace(person, pixels=np.ascontiguousarray(np.rot90(person.pixels)))
    found = lying.matched()
    assert_found(person, found, Fault.TURNED_IMAGE)
    assert np.array_equal(found.image_turn.of(lying.pixels), person.pixels)


@pytest.mark.parametrize("grid", [(384, 512), (192, 256), (576, 768), (512, 512), (1536, 2048)])
def test_a_pose_on_another_grid_is_scaled(grid: tuple[int, int]) -> None:
    person = drawn(5)
    scaled = person.points * (grid[0] / person.size[0], grid[1] / person.size[1], 1)
    assert_found(person, person.matched(scaled), Fault.OTHER_GRID)
    assert_found(person, person.matched(scaled, canvas=grid))


@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
@pytest.mark.parametrize(("canvas", "shift"), [(512, 64.0), (512, 0.0), (640, 80.0)])
def test_a_pose_in_a_square_around_the_image_is_moved_and_scaled(canvas: int, shift: float, named: bool) -> None:
    """Networks get the whole image in the middle of a square, or in its corner."""
    person = drawn(5)
    scale = canvas / 1024
    known = person.points[:, 2:] > 0
    boxed = np.where(known, person.points * (scale, scale, 1) + (shift, 0, 0), 0)
    found = person.matched(boxed, canvas=(canvas, canvas) if named else None)
    assert_found(person, found, Fault.OTHER_GRID)


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize(("wider", "taller"), [(1, 1.035), (1, 1.06), (1.05, 1)])
def test_a_pose_stretched_to_a_canvas_of_nearly_its_shape_is_not_boxed(seed: int, wider: float, taller: float) -> None:
    """Its own grid fits well; that a box fits better by a hair is chance."""
    person = drawn(seed)
    canvas = person.size[0] * wider, person.size[1] * taller
    assert_found(person, person.matched(person.points * (wider, taller, 1), canvas=canvas))


def test_a_pose_that_was_mirrored_without_its_sides_is_mirrored_back() -> None:
    person = drawn(6)
    known = person.points[:, 2:] > 0
    mirrored = np.where(known, person.points * (-1, 1, 1) + (person.size[0] - 1, 0, 0), 0)
    assert_found(person, person.matched(mirrored), Fault.TURNED_LABELS)


def test_fractions_are_scaled_from_0_or_from_the_middle() -> None:
    person = drawn(5)
    fractions = person.points / (*person.size, 1)
    assert_found(person, person.matched(fractions, fractions=True), Fault.NORMALISED_LANDMARKS)
    centred = fractions * (2, 2, 1) - (1, 1, 0) * (fractions[:, 2:] > 0)
    assert_found(
        person, person.matched(centred, fractions=True), Fault.NORMALISED_LANDMARKS, Fault.OTHER_GRID
    )  # fmt: skip


def shrunk(points: Points, scale: float, shift: tuple[float, float]) -> Points:
    return points * (scale, scale, 1) + (*shift, 0) * (points[:, 2:] > 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_several_skeletons_the_labelled_persons_is_taken(seed: int) -> None:
    """It is the least complete one; the others are of a bystander, of a poster on the shirt, and of somebody alike."""
    person = drawn(seed)
    own = person.points.copy()
    own[13:] = 0
    others = (
        shrunk(person.points, 0.5, (480, 300)),
        shrunk(person.points, 0.5, (230, 300)),
        drawn(seed + 1).points,
    )
    assert_found(replace(person, points=own), person.matched(*others, own), Fault.SEVERAL_PEOPLE)


def test_where_no_skeleton_fits_the_record_is_rejected_with_figures() -> None:
    person = drawn(5)
    strangers = shrunk(person.points, 0.5, (480, 300)), shrunk(person.points, 0.4, (20, 640))
    with pytest.raises(RecordError, match=r"foreign-pose: pose\.json: .* agree by -?0\.\d+ of 1.*best of 2 skeletons"):
        person.matched(*strangers)


@pytest.mark.parametrize(("made", "read"), [("dress-code", "cihp"), ("cihp", "aihub-pixels"), ("cihp", "fashn")])
def test_a_map_of_another_table_is_rejected_by_its_name(made: Pixelwise, read: Pixelwise) -> None:
    person = replace(drawn(5, made), labels=read)
    person = replace(person, numbers=np.minimum(person.numbers, len(NAMES[read]) - 1).astype(np.uint8))
    with pytest.raises(RecordError) as caught:
        person.matched()
    expected = Fault.OTHER_TABLE if made != "cihp" or read != "fashn" else caught.value.reason
    assert caught.value.reason == expected
    assert expected is not Fault.OTHER_TABLE or "--labels" in caught.value.detail


def test_an_unsure_joint_weighs_less() -> None:
    person = drawn(5)
    points = person.points.copy()
    points[9] = (1, 1, 1)
    sure = agreement(person.numbers, points, "cihp").mean
    points[9, 2] = 0.5
    assert agreement(person.numbers, points, "cihp").mean > sure


def test_sides_are_exchanged_by_name() -> None:
    names = ("", "left_arm", "right_shoe", "inner_lsleeve", "face")
    assert with_sides_swapped(names) == ("", "right_arm", "left_shoe", "inner_rsleeve", "face")


@pytest.mark.parametrize("turn", [*UPRIGHT, *SIDEWAYS])
def test_points_turn_with_the_image(turn: Turn) -> None:
    image = np.arange(12).reshape(3, 4)
    (x, y, _), absent = turn.of_points(np.array([[3.0, 1, 1], [0, 0, 0]]), (4, 3))
    assert turn.of(image)[int(y), int(x)] == image[1, 3]
    assert not absent.any()
    assert np.array_equal(turn.inverse.of(turn.of(image)), image)


def test_a_map_without_outlines_and_an_image_without_edges_tell_nothing() -> None:
    person = drawn(5)
    assert_found(person, replace(person, pixels=np.full_like(person.pixels, 90)).matched())
    found = replace(person, numbers=np.full_like(person.numbers, 13)).matched()
    assert found.faults == (Fault.DOUBTFUL_LABELS,)
