"""Subjects of datasets with label maps, VITON-HD and Dress Code: OpenPose JSON, a label map, perhaps a garment mask.

Their garments have no landmarks: Jg is derived from the outline, see `garment_outline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning import Subject
from preprocess.conditioning.crop import torso
from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import Pose
from preprocess.formats.images import Pixels, decode, read_header
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.formats.label_maps import PixelParse, mask_parse, parse_of, read_numbers
from preprocess.formats.pose_sides import view_of
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.label_tables import Pixelwise
from preprocess.loading.garment_masks import garment_mask_of
from preprocess.loading.garment_outline import estimate, note_of
from preprocess.loading.matching import Evidence, match, with_sides_swapped
from preprocess.loading.plain_background import garment_before
from preprocess.loading.unsided_limbs import with_sides
from preprocess.sources import Files, Record
from preprocess.sources.record import MISSING, File
from preprocess.sources.record import Subject as Kind
from schemas import Keypoint, Origin

DRESS_CODE_GRID = (384, 512)
"""Width and height that Dress Code's keypoints refer to; other datasets' refer to their images."""

_SHOULDERS = [Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER]
_NECK_ABOVE_SHOULDERS = 0.12
"""Lower end of the neck for a label that includes head and neck, in torso lengths; as in `agnostic`."""
_TORSO_OF_SHOULDERS = 1.4
"""Length of a torso in shoulder widths, if the hips are not known."""


def load_mapped_person(files: Files, record: Record, labels: Pixelwise) -> Subject:
    """Read and decode the person of a record. Raise RecordError."""
    paths: dict[File, str] = {"image": record.person_image, "pose": record.person_pose, "parse": record.person_parse}
    check_present(paths, "person", f"{record.look}_{record.frame}")
    skeletons = read_skeletons(files.read(record.person_pose), record.person_pose)
    if not any(points.any() for points in skeletons.people):
        raise RecordError(Fault.NO_PERSON_POSE, record.person_pose, "no person in it; estimate the pose again")
    found = read_numbers(files.read(record.person_parse), record.person_parse)
    parse_of(found, record.person_parse, labels)
    pixels, odd = _image(files, record.person_image, None)
    grid = DRESS_CODE_GRID if record.layout == "dress-code" else None
    evidence = Evidence(found.numbers, skeletons, labels, grid, record.person_pose, record.person_parse)
    matched = match(evidence, (pixels.shape[1], pixels.shape[0]), pixels)
    pixels = np.ascontiguousarray(matched.image_turn.of(pixels))
    parse = parse_of(found._replace(numbers=matched.numbers), record.person_parse, labels)
    if matched.sides_swapped:
        parse = replace(parse, names=with_sides_swapped(parse.names))
    parse = with_sides(parse, matched.points)
    if files.is_filled(record.person_parse):
        parse = replace(parse, origin="estimated")
    origin: Origin = "estimated" if files.is_filled(record.person_pose) else "annotated"
    pose = Pose(matched.points, view_of(matched.points), parse.image_size, matched.faults, origin=origin)
    if "head" in parse.names:
        parse = without_neck(parse, pose, record.person_pose)
    faults = tuple(dict.fromkeys((*pose.faults, *parse.faults, *odd)))
    return Subject(pixels, parse.image_size, 1, pose, parse, record.person_parse, faults)


def load_mapped_product(files: Files, record: Record) -> Subject:
    """Read and decode the garment of a record, and derive its landmarks. Raise RecordError."""
    name = f"{record.item}_{record.side}"
    if record.pairing == "view":
        return load_mapped_person(files, _other_frame(record), record.labels)
    if record.layout == "dress-code" or (record.layout == "table" and not record.product_parse):
        check_present({"image": record.product_image}, "product", name)
        pixels, odd = _image(files, record.product_image, None)
        found = garment_before(pixels, record.product_image)
        parse = mask_parse(found.mask, record.product_image)
        odd = (*odd, Fault.GRABCUT_GARMENT) if found.method == "grabcut" else odd
    else:
        check_present({"image": record.product_image, "parse": record.product_parse}, "product", name)
        stored = read_stored_mask(files.read(record.product_parse), record.product_parse)
        pixels, odd = _image(files, record.product_image, stored.size)
        _check_size(stored.size, pixels, record.product_parse)
        parse = garment_mask_of(stored, pixels, record.product_parse)
        if files.is_filled(record.product_parse):
            parse = replace(parse, origin="estimated")
    points, sure = estimate(parse.mask(), record.garment)
    pose = Pose(points, "front", parse.image_size, ())
    faults = tuple(dict.fromkeys((*parse.faults, *odd, *note_of(sure))))
    return Subject(pixels, parse.image_size, 1, pose, parse, record.product_parse, faults)


def _other_frame(record: Record) -> Record:
    """Return the record with the frame that the garment is cut out of as its person."""
    return replace(
        record,
        frame=record.side,
        person_image=record.product_image,
        person_pose=record.product_pose,
        person_parse=record.product_parse,
    )


def check_present(paths: Mapping[File, str], what: Kind, name: str) -> None:
    """Raise RecordError for the first missing file of the person or product ``name``."""
    for part, path in paths.items():
        if not path:
            raise RecordError(MISSING[what, part], name, f"the {what}'s {part} file is not in the dataset")


def _image(files: Files, path: str, labelled_size: tuple[int, int] | None) -> tuple[Pixels, tuple[Fault, ...]]:
    """Return the upright image, and the faults repaired in it."""
    data = files.read(path)
    pixels, turned = decode(data, path, labelled_size)
    header = read_header(data)
    odd = header.odd if header else ()
    return pixels, (*odd, Fault.TURNED_IMAGE) if turned else odd


def _check_size(labelled: tuple[int, int], pixels: Pixels, path: str) -> None:
    size = pixels.shape[1], pixels.shape[0]
    if labelled != size:
        raise RecordError(Fault.SIZE_MISMATCH, path, f"labels are for {labelled}, the image is {size}")


def without_neck(parse: PixelParse, pose: Pose, path: str) -> PixelParse:
    """Split the label of head and neck into face and neck, at a line slightly above the shoulders."""
    line = _neckline(pose.points)
    if line is None:
        raise RecordError(
            Fault.NO_SHOULDERS,
            path,
            "the head's label includes the neck, and without shoulders its end cannot be determined",
        )
    place, up = line
    rows, columns = np.indices(parse.numbers.shape, np.float32)
    below = (columns - np.float32(place[0])) * np.float32(up[0]) + (rows - np.float32(place[1])) * np.float32(up[1]) < 0
    numbers = parse.numbers.copy()
    numbers[parse.mask(frozenset({"head"})) & below] = len(parse.names)
    names = (*("face" if name == "head" else name for name in parse.names), "neck")
    return replace(parse, numbers=numbers, names=names)


def _neckline(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return a point at the neck's lower end and the unit vector up; None if the shoulders are not known."""
    if (body := torso(points)) is not None:
        shoulders, up, length = body
    elif points[_SHOULDERS, 2].all():
        across = points[Keypoint.LEFT_SHOULDER, :2] - points[Keypoint.RIGHT_SHOULDER, :2]
        width = float(np.hypot(*across))
        if width < 1:
            return None
        up = np.array([across[1], -across[0]]) / width
        up = up if up[1] < 0 else -up
        shoulders, length = points[_SHOULDERS, :2].mean(axis=0), _TORSO_OF_SHOULDERS * width
    else:
        return None
    return shoulders + up * _NECK_ABOVE_SHOULDERS * length, up
