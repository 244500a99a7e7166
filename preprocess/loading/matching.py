"""Reconciles image, pose and label map: selects the skeleton, its scale, and the map's orientation.

All three are evidence. A pose on the wrong part of the map, or outlines that the photograph does not have, are put
right if one explanation fits and the others do not; else the record is rejected with the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.agreement import Agreement, agreement
from preprocess.conditioning.turns import AS_IT_IS, SIDEWAYS, UPRIGHT, Outlines, Turn, outlines_of
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels
from preprocess.formats.keypoint_files import Skeletons
from preprocess.formats.pose_sides import is_mirrored, view_of
from preprocess.label_tables import NAMES, Pixelwise, shown_name
from schemas import FLIP, TORSO, Keypoint

Numbers = NDArray[np.uint8]
Points = NDArray[np.float64]
Size = tuple[int, int]
_Grid = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scale and shift of coordinates into pixels."""

_SOUND = 0.8
"""Mean vote above which no other explanation is tried: 0.88 or more in the sound records measured."""
_DOUBTFUL = 0.7
"""The mean vote below which the record is noted as doubtful."""
_DOUBTFUL_SIDE = 0.55
"""The same for a side view, in which one half of the body hides the other."""
_LEAST = 0.45
"""The mean vote below which pose and map contradict each other; half of the poses of other people are below 0.55."""
_EXPLAINS = 0.75
"""The mean vote that another explanation must reach."""
_BETTER = 0.15
"""How much better another explanation has to be."""
_OTHER_GRID_BETTER = 0.3
"""The same for coordinates of another size: there are many to choose from."""
_PASSABLE = 0.5
"""The vote of a joint that counts neither for nor against a skeleton."""
_SEEN_WEIGHT = 0.3
"""Weight of the outlines in the choice between turns, against the mean vote."""
_ON_THE_PERSON = 0.5
"""Minimum share of a pose's joints inside the image that must be on the person."""
_ROTATION_LIKELIER = 0.02
"""Cameras turn images more often than anything mirrors them."""
_MIRRORED_EXPLAINS = 0.88
"""The mean vote that a mirrored pose must reach: mirrored poses of other people fit well too."""
_CLEARLY = 1.12
"""How much stronger the edges along the right outlines are, at least, than along others."""
_USUAL_SIZES: tuple[Size, ...] = (
    (192, 256), (256, 256), (384, 512), (512, 512), (512, 768), (576, 768), (768, 1024), (1024, 1024), (640, 480),
    (480, 640), (720, 1280), (1080, 1440), (1080, 1920), (1536, 2048),
)  # fmt: skip
"""Sizes of images that poses are estimated in, tried for one that does not fit its own image."""

_OTHER_SHAPE = 0.03
"""Difference between the proportions of a pose's canvas and of the image from which the image was not just scaled."""
_FAR_SHAPE = 0.08
"""The difference from which a pose in pixels of the wrong one, box or stretched grid, fits visibly worse."""
_SQUARES: tuple[Size, ...] = ((256, 256), (512, 512), (640, 640), (1024, 1024))
"""Squares into which images of any shape are put whole for networks."""

_LYING = Turn(transposed=True, mirrored=False, flipped=True)
"""A quarter turn counter-clockwise, of upright labels onto an image that lies on its side."""


class Matched(NamedTuple):
    """A pose in pixels of the upright image, the label map as it lies there, and what was corrected."""

    points: Points
    numbers: Numbers
    faults: tuple[Fault, ...]
    sides_swapped: bool
    """Whether the labels are of a mirrored image, so that left and right are the other way round"""
    image_turn: Turn
    """How the image has to be turned first: it is on its side, and its labels are upright"""


class Evidence(NamedTuple):
    """What is known of one person: the label map, the skeletons, and the size that poses usually refer to."""

    numbers: Numbers
    skeletons: Skeletons
    labels: Pixelwise
    grid: Size | None
    pose_path: str
    parse_path: str


class Fit(NamedTuple):
    """A skeleton in pixels of the map, how well it agrees with the map, and what was corrected in it."""

    points: Points
    agreement: Agreement
    faults: tuple[Fault, ...]


def match(evidence: Evidence, size: Size, pixels: Pixels | None) -> Matched:
    """Make pose and label map agree with each other and with the image of ``size`` (width, height).

    Without ``pixels`` the outlines are not compared. Raise RecordError `size-mismatch`, `foreign-pose` or
    `other-table`.
    """
    return _with_own_sides(evidence, _matched(evidence, size, pixels))


def _with_own_sides(evidence: Evidence, found: Matched) -> Matched:
    """Return the match with the wearer's own left and right if its image was mirrored together with its labels.

    The map's limbs were mirrored, too, unless they agree better with the wearer's own sides.
    """
    if not is_mirrored(found.points):
        return found
    points = found.points[list(FLIP)]
    with_pose, against = (agreement(found.numbers, own, evidence.labels).mean for own in (found.points, points))
    faults = tuple(dict.fromkeys((*found.faults, Fault.TURNED_LABELS)))
    swapped = found.sides_swapped != (with_pose >= against)
    return found._replace(points=points, faults=faults, sides_swapped=swapped)


def _matched(evidence: Evidence, size: Size, pixels: Pixels | None) -> Matched:
    height, width = evidence.numbers.shape
    if (width, height) not in (size, size[::-1]):
        raise RecordError(
            Fault.SIZE_MISMATCH, evidence.parse_path, f"labels are for {(width, height)}, the image is {size}"
        )
    if (width, height) != size:
        return _sideways(evidence, size, pixels)
    fit = fitted(evidence, evidence.numbers)
    outlines = None if pixels is None else outlines_of(pixels, evidence.numbers, UPRIGHT)
    turns = _seen_turns(outlines, UPRIGHT)
    if AS_IT_IS in turns and fit.agreement.mean >= _SOUND:
        return _accepted(evidence, fit)
    turned = _turned(evidence, fit, turns, outlines)
    if turned is None and AS_IT_IS in turns:
        turned = _pose_turned(evidence, fit)
    if turned is not None:
        return turned
    if AS_IT_IS not in turns:
        raise _contradiction(evidence, fit)
    return _accepted(evidence, fit)


def _accepted(evidence: Evidence, fit: Fit) -> Matched:
    _check(evidence, fit)
    faults = fit.faults
    if fit.agreement.mean < (_DOUBTFUL_SIDE if view_of(fit.points) == "side" else _DOUBTFUL):
        faults = (*faults, Fault.DOUBTFUL_LABELS)
    return Matched(fit.points, evidence.numbers, faults, sides_swapped=False, image_turn=AS_IT_IS)


def _turned(evidence: Evidence, fit: Fit, turns: tuple[Turn, ...], outlines: Outlines | None) -> Matched | None:
    """Return the match with the map turned, alone or with its pose; None if no turn explains the record.

    The pose is turned with the map only where the image shows that the map as it is cannot be right.
    """
    height, width = evidence.numbers.shape
    settled = AS_IT_IS not in turns
    best: tuple[float, Turn, Fit, bool] | None = None
    kept = SIDEWAYS if turns[0].transposed else UPRIGHT
    for turn in turns:
        if turn == AS_IT_IS:
            continue
        seen = outlines.along[kept.index(turn)] / max(*outlines.along, 1.0) if outlines is not None else 0.0
        options = [(fitted(evidence, np.ascontiguousarray(turn.of(evidence.numbers))), False)]
        if settled:
            moved = turn.of_points(fit.points, (width, height))
            options.append((Fit(moved, fit.agreement, fit.faults), True))
        for option, follows in options:
            score = option.agreement.mean + _SEEN_WEIGHT * seen + (0.0 if turn.mirrors else _ROTATION_LIKELIER)
            if best is None or score > best[0] + 1e-9:
                best = score, turn, option, follows
    if best is None:
        return None
    _, turn, chosen, follows = best
    mean = chosen.agreement.mean
    if mean < (_LEAST if settled else max(_EXPLAINS, fit.agreement.mean + _BETTER)):
        return None
    if outlines is not None and not settled and not _plausible(outlines, turn):
        return None
    swapped = follows and turn.mirrors
    points = chosen.points[list(FLIP)] if swapped else chosen.points
    numbers = np.ascontiguousarray(turn.of(evidence.numbers))
    return Matched(points, numbers, (*chosen.faults, Fault.TURNED_LABELS), swapped, AS_IT_IS)


def _pose_turned(evidence: Evidence, fit: Fit) -> Matched | None:
    """Return the match with the pose alone turned, None if no turn explains it."""
    height, width = evidence.numbers.shape
    best = fit
    for turn in (*UPRIGHT[1:], *SIDEWAYS):
        size = (height, width) if turn.transposed else (width, height)
        for person in evidence.skeletons.people:
            points = person.copy()
            if evidence.skeletons.fractions:
                points[:, :2] *= size
            points = turn.of_points(points, size)
            mirrored = turn.mirrors and not turn.transposed and not turn.flipped
            # An estimator names the sides of a mirrored image as it sees them; a program that mirrors a pose may not.
            for sided in (points[list(FLIP)], points) if turn.mirrors else (points,):
                found = agreement(evidence.numbers, sided, evidence.labels)
                if found.mean > best.agreement.mean and (not mirrored or found.mean >= _MIRRORED_EXPLAINS):
                    best = Fit(sided, found, fit.faults)
    if best.agreement.mean < max(_EXPLAINS, fit.agreement.mean + _BETTER):
        return None
    faults = (*(fault for fault in best.faults if fault is not Fault.OTHER_GRID), Fault.TURNED_LABELS)
    return Matched(best.points, evidence.numbers, faults, sides_swapped=False, image_turn=AS_IT_IS)


def _sideways(evidence: Evidence, size: Size, pixels: Pixels | None) -> Matched:
    """Return the match of a map whose width and height are the image's height and width."""
    fit = fitted(evidence, evidence.numbers)
    outlines = None if pixels is None else outlines_of(pixels, evidence.numbers, SIDEWAYS)
    turns = _seen_turns(outlines, SIDEWAYS)
    # AI-Hub's way of lying comes first, see `images.decode`; it is believed where the image does not tell.
    rotations = [turn for turn in (_LYING, *turns) if turn in turns and not turn.mirrors]
    if fit.agreement.mean >= _DOUBTFUL and _upright(fit.points) and rotations:
        faults = (*fit.faults, Fault.TURNED_IMAGE)
        return Matched(fit.points, evidence.numbers, faults, sides_swapped=False, image_turn=rotations[0].inverse)
    matched = _turned(evidence, fit, turns, outlines)
    if matched is None:
        height, width = evidence.numbers.shape
        detail = f"labels are for {(width, height)}, the image is {size}, and no turn makes pose and labels agree"
        raise RecordError(Fault.SIZE_MISMATCH, evidence.parse_path, detail)
    return matched


def _seen_turns(outlines: Outlines | None, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns whose outlines the image has, all of them if that is not clear.

    There may be several: a person who stands straight looks much the same mirrored.
    """
    if outlines is None:
        return turns
    best = max(outlines.along)
    if best <= _CLEARLY * max(outlines.everywhere, min(outlines.along)):
        return turns
    return tuple(turn for turn, along in zip(turns, outlines.along, strict=True) if along * _CLEARLY >= best)


def _plausible(outlines: Outlines, turn: Turn) -> bool:
    """Return whether the turned outlines are no worse than those of the map as it is."""
    turns = SIDEWAYS if turn.transposed else UPRIGHT
    return outlines.along[turns.index(turn)] > 0.9 * outlines.along[0]


def _upright(points: Points) -> bool:
    """Return whether the head is above the shoulders or the shoulders above the hips, as far as it is known."""
    shoulders = points[list(TORSO[:2])]
    hips, nose = points[list(TORSO[2:])], points[[Keypoint.NOSE]]
    for above, below in ((shoulders, hips), (nose, shoulders)):
        if (above[:, 2] > 0).all() and (below[:, 2] > 0).all():
            across, down = below[:, :2].mean(axis=0) - above[:, :2].mean(axis=0)
            return bool(down > abs(across))
    return True


def fitted(evidence: Evidence, numbers: Numbers, *, every_grid: bool = True) -> Fit:
    """Return the skeleton that fits the labelled person best, on the grid that the file or else the fit tells."""
    skeletons = evidence.skeletons
    several = (Fault.SEVERAL_PEOPLE,) if len(skeletons.people) > 1 else ()
    read = (Fault.NORMALISED_LANDMARKS,) if skeletons.fractions else ()
    faults = (*skeletons.faults, *read, *several)
    likely, *others = _grids(evidence, numbers)
    fit = stretched = _on_grids(evidence, numbers, [likely], faults)
    if boxed := list(_boxed_canvas(skeletons.canvas, numbers)):
        other = _on_grids(evidence, numbers, boxed, (*faults, Fault.OTHER_GRID))
        # On a canvas of nearly the image's shape both fit about as well: a hair's breadth decides nothing there.
        near = stretched.agreement.mean >= _SOUND and _other_shape(skeletons.canvas, numbers) < _FAR_SHAPE
        margin = _BETTER if near else 0.0
        fit = other if other.agreement.mean > stretched.agreement.mean + margin else stretched
    if every_grid and fit.agreement.mean < _SOUND and others:
        other = _on_grids(evidence, numbers, others, (*faults, Fault.OTHER_GRID))
        if other.agreement.mean >= max(_SOUND, stretched.agreement.mean + _OTHER_GRID_BETTER):
            return other
    return fit


def _on_grids(evidence: Evidence, numbers: Numbers, grids: Sequence[_Grid], faults: tuple[Fault, ...]) -> Fit:
    """Return the skeleton and the grid with the most joints in the right places."""
    fits = []
    for scale, shift in grids:
        for person in evidence.skeletons.people:
            points = person.copy()
            known = points[:, 2] > 0
            points[known, :2] = points[known, :2] * scale + shift
            fits.append(Fit(points, agreement(numbers, points, evidence.labels), faults))
    return max(fits, key=_rank)


def _rank(fit: Fit) -> float:
    """Return the order of skeletons: many joints in the right places, few in odd ones."""
    return fit.agreement.total - _PASSABLE * fit.agreement.weight


def _grids(evidence: Evidence, numbers: Numbers) -> Iterator[_Grid]:
    """Yield scale and shift of the coordinates into the map's pixels, the most likely first."""
    height, width = numbers.shape
    size, none = np.array([width, height], np.float64), np.zeros(2)
    if evidence.skeletons.fractions:
        yield size, none
        yield size / 2, size / 2
        return
    sizes = [evidence.skeletons.canvas, evidence.grid, (width, height), *_USUAL_SIZES]
    usual = [one for one in sizes if one is not None]
    for one in dict.fromkeys((float(one[0]), float(one[1])) for one in usual):
        yield size / np.array(one), none
    for one in _SQUARES:
        yield from _boxed(one, size)


def _boxed_canvas(canvas: tuple[float, float] | None, numbers: Numbers) -> Iterator[_Grid]:
    """Yield the grids of the image inside the canvas that the file names, if that has another shape."""
    height, width = numbers.shape
    if canvas is not None and _other_shape(canvas, numbers) > _OTHER_SHAPE:
        yield from _boxed(canvas, np.array([width, height], np.float64))


def _other_shape(canvas: tuple[float, float] | None, numbers: Numbers) -> float:
    """Return by how much a canvas's proportions differ from the map's; 0 if there is no canvas."""
    height, width = numbers.shape
    return 0.0 if canvas is None else abs(canvas[0] * height / (canvas[1] * width) - 1)


def _boxed(canvas: tuple[float, float], size: NDArray[np.float64]) -> Iterator[_Grid]:
    """Yield the grids of the whole image inside a canvas of another shape, in its middle or its upper left corner."""
    scale = float((size / np.array(canvas, np.float64)).max())
    for share in (0.5, 0.0):
        yield np.full(2, scale), (size - scale * np.array(canvas)) * share


def _check(evidence: Evidence, fit: Fit) -> None:
    """Raise RecordError if the pose contradicts the map."""
    found = fit.agreement
    if found.on_person < _ON_THE_PERSON:
        raise _contradiction(evidence, fit)
    if found.mean < _LEAST and np.count_nonzero(np.bincount(evidence.numbers.ravel())) > 2:
        raise _contradiction(evidence, fit)  # a map of one region says nothing, and is rejected for lack of a garment


def _contradiction(evidence: Evidence, fit: Fit) -> RecordError:
    """Return the error of a pose and a map that contradict each other: the table is wrong, or the pose is."""
    found, table = fit.agreement, shown_name(evidence.labels)
    figures = f"pose and labels agree by {found.mean:.2f} of 1"
    used = int(evidence.numbers.max())
    others = [name for name in NAMES if used < len(NAMES[name]) and NAMES[name] != NAMES.get(evidence.labels)]
    means = {name: fitted(evidence._replace(labels=name), evidence.numbers).agreement.mean for name in others}
    best = max(means, key=lambda name: means[name], default="")
    if best and means[best] >= max(_SOUND, found.mean + _OTHER_GRID_BETTER):
        detail = f"by the table {table} {figures}, by {shown_name(best)} {means[best]:.2f}; give --labels"
        return RecordError(Fault.OTHER_TABLE, evidence.parse_path, detail)
    count = len(evidence.skeletons.people)
    whose = f"the best of {count} skeletons" if count > 1 else "it"
    return RecordError(
        Fault.FOREIGN_POSE,
        evidence.pose_path,
        f"{figures}, {found.on_person:.0%} of its points are on the person; {whose} belongs to another image, or to "
        "another size",
    )


def with_sides_swapped(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the regions' names with left and right exchanged."""
    swapped = {"left": "right", "right": "left", "lsleeve": "rsleeve", "rsleeve": "lsleeve"}
    return tuple("_".join(swapped.get(part, part) for part in name.split("_")) for name in names)
