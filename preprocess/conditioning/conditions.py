"""The tuple (Ia, Jp, Ic, Jg) with its target Ip, made from the pictures and annotations of one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.annotations import Parse, Pose, read_item_parse, read_model_parse, read_pose
from preprocess.conditioning.agnostic import agnostic
from preprocess.conditioning.crop import normalise, person_crop, product_crop
from preprocess.conditioning.regions import WORN, garment_mask, label_map, pixels_of
from preprocess.faults import RecordError
from preprocess.pictures import Pixels, cut, decode, resize
from preprocess.sources import Files, Record
from schemas import CONDITIONING_SIZE, MID_GREY, TARGET_SIZE, Crop

_SMALLEST_GARMENT = 0.002
"""A garment on less of its crop than this is a wrong label, not a garment."""


@dataclass(frozen=True)
class Subject:
    """A decoded picture with its annotations, all in pixels of the upright picture."""

    pixels: Pixels
    pose: Pose
    parse: Parse
    mended: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class Conditions:
    """One tuple: Ip at both sizes, Ia and Ic as RGB uint8, Jp and Jg as float32 (17, 3), and the two crops."""

    Ip: Pixels
    Ip_256: Pixels
    Ia: Pixels
    Ic: Pixels
    Jp: NDArray[np.float32]
    Jg: NDArray[np.float32]
    person_crop: Crop
    product_crop: Crop


def load_person(files: Files, record: Record) -> Subject:
    """Read and decode the person of a record. Raise RecordError."""
    paths = (record.person_image, record.person_pose, record.person_parse)
    return _load(files, "person", f"{record.look}_{record.frame}", paths, read_model_parse)


def load_product(files: Files, record: Record) -> Subject:
    """Read and decode the garment of a record. Raise RecordError."""
    paths = (record.product_image, record.product_pose, record.product_parse)
    return _load(files, "product", f"{record.item}_{record.side}", paths, read_item_parse)


def condition(person: Subject, product: Subject, record: Record) -> Conditions:
    """Compute the tuple. Raise RecordError where the labels cannot be used."""
    try:
        crop = person_crop(person.pose, person.parse, record.garment, person.size)
    except ValueError as error:
        raise RecordError("labels-outside", record.person_parse, f"{error}; label the picture anew") from error
    labels = label_map(person.parse, crop)
    if pixels_of(labels, WORN[record.garment]).mean() < _SMALLEST_GARMENT:
        raise RecordError(
            "garment-not-worn", record.person_parse, f"no region of the {record.garment} garment that the list names"
        )
    square = cut(person.pixels, crop)
    points = person.pose.points - (crop.x, crop.y, 0.0)
    Ia = agnostic(square, labels, points, record.garment)
    Ic, garment_crop = _garment(product, record)
    return Conditions(
        Ip=resize(square, TARGET_SIZE),
        Ip_256=resize(square, CONDITIONING_SIZE),
        Ia=resize(Ia, CONDITIONING_SIZE),
        Ic=Ic,
        Jp=normalise(person.pose, crop),
        Jg=normalise(product.pose, garment_crop),
        person_crop=crop,
        product_crop=garment_crop,
    )


def _garment(product: Subject, record: Record) -> tuple[Pixels, Crop]:
    """Return Ic, the garment alone on mid-grey, and its crop."""
    try:
        crop = product_crop(product.parse, product.size)
    except ValueError as error:
        raise RecordError("labels-outside", record.product_parse, f"{error}; label the picture anew") from error
    mask = garment_mask(product.parse, crop)
    if mask.mean() < _SMALLEST_GARMENT:
        raise RecordError("no-garment", record.product_parse, "no region but hidden ones; label the garment anew")
    square = cut(product.pixels, crop)
    square = np.where(mask[..., None], square, np.uint8(MID_GREY))
    return resize(square, CONDITIONING_SIZE), crop


def _load(
    files: Files, what: str, name: str, paths: tuple[str, str, str], read_parse: Callable[[bytes, str], Parse]
) -> Subject:
    for path, part in zip(paths, ("image", "pose", "parse"), strict=True):
        if not path:
            raise RecordError(f"missing-{what}-{part}", name, f"the {what}'s {part} file is not in the data set")
    image_path, pose_path, parse_path = paths
    pose = read_pose(files.read(pose_path), pose_path)
    if not pose.points.any():
        raise RecordError(f"no-{what}-pose", pose_path, "all keypoints are absent; label the picture anew")
    parse = read_parse(files.read(parse_path), parse_path)
    labelled_size = parse.image_size or pose.image_size
    pixels, turned = decode(files.read(image_path), image_path, labelled_size)
    mended = [*pose.mended, *parse.mended, *(["turned-image"] if turned else [])]
    size = pixels.shape[1], pixels.shape[0]
    pose = pose.scaled(size)
    for labels, path in ((pose, pose_path), (parse, parse_path)):
        if labels.image_size not in (None, size):
            raise RecordError("size-mismatch", path, f"labels are for {labels.image_size}, the picture is {size}")
    return Subject(pixels, pose, parse, tuple(dict.fromkeys(mended)))
