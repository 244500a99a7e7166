"""The tuple (Ia, Jp, Ic, Jg) with its target Ip, made from the pictures and annotations of one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotations import Parse, Pose, read_item_parse, read_model_parse, read_pose
from preprocess.conditioning.agnostic import agnostic
from preprocess.conditioning.crop import garment_crop, normalise, person_crop
from preprocess.conditioning.layers import beneath, has_outer_layer, is_clearly_more_like, outermost, palette
from preprocess.conditioning.regions import WORN, LabelMap, claimed_by, garment_mask, label_map, pixels_of
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
    """Read and decode what the garment of a record is cut out of. Raise RecordError."""
    paths = (record.product_image, record.product_pose, record.product_parse)
    if record.pairing == "view":
        return _load(files, "person", f"{record.look}_{record.side}", paths, read_model_parse)
    return _load(files, "product", f"{record.item}_{record.side}", paths, read_item_parse)


def condition(files: Files, person: Subject, product: Subject, record: Record, *, linings: bool) -> Conditions:
    """Compute the tuple; with ``linings``, Ic shows a product's `*_hidden` regions too.

    Raise RecordError where the labels cannot be used.
    """
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
    if record.pairing == "item" and record.garment == "upper":
        check_layers(files, square, person.parse, labels, product, record)
    points = person.pose.points - (crop.x, crop.y, 0.0)
    claimed = claimed_by(person.parse, WORN[record.garment], crop)
    Ia = agnostic(square, labels, claimed, points, record.garment)
    Ic, product_crop = _garment(product, record, linings)
    return Conditions(
        Ip=resize(square, TARGET_SIZE),
        Ip_256=resize(square, CONDITIONING_SIZE),
        Ia=resize(Ia, CONDITIONING_SIZE),
        Ic=Ic,
        Jp=normalise(person.pose, crop),
        Jg=normalise(product.pose, product_crop),
        person_crop=crop,
        product_crop=product_crop,
    )


def check_layers(
    files: Files, square: Pixels, parse: Parse, labels: LabelMap, product: Subject, record: Record
) -> None:  # fmt: skip
    """Raise RecordError `ambiguous-layers` unless the product is the outermost top, see `layers`."""
    layers = 2 if has_outer_layer(parse) else 1
    seen_beneath = pixels_of(labels, beneath(parse))
    if layers == record.layers == 1 or (layers == 2 and not seen_beneath.any()):
        return  # what is worn beneath cannot be seen, or is not there
    mine = _palette_of(product)
    worn = palette(square, pixels_of(labels, outermost(parse, "upper")))
    if layers == 1:
        below = _palette_beneath(files, record)
        wrong = worn is not None and is_clearly_more_like(worn, below, mine)
    else:
        inner = palette(square, seen_beneath)
        wrong = is_clearly_more_like(mine, inner, worn)
        wrong = wrong or (record.layers == 1 and not is_clearly_more_like(mine, worn, inner))
    if wrong:
        raise RecordError(
            "ambiguous-layers", record.person_parse,
            f"{layers} layers of tops in the parse, {record.layers} in the list, and by its colours "
            f"{record.item} need not be the outer one; mend the list's main_top and inner_top, or the regions",
        )  # fmt: skip


def _palette_of(product: Subject) -> NDArray[np.float32] | None:
    width, height = product.size
    mask = garment_mask(product.parse, Crop(x=0, y=0, side=max(width, height)))
    return palette(product.pixels, np.ascontiguousarray(mask[:height, :width]))


def _palette_beneath(files: Files, record: Record) -> NDArray[np.float32] | None:
    """Return the colours of the top that is listed beneath, None where its files cannot be used."""
    if not record.beneath_image or not record.beneath_parse:
        return None
    try:
        parse = read_item_parse(files.read(record.beneath_parse), record.beneath_parse)
        pixels, _ = decode(files.read(record.beneath_image), record.beneath_image, parse.image_size)
    except RecordError:
        return None
    pose = Pose(np.zeros((17, 3)), None, None, ())
    return _palette_of(Subject(pixels, pose, parse, ()))


def _garment(product: Subject, record: Record, linings: bool) -> tuple[Pixels, Crop]:
    """Return Ic, the garment alone on mid-grey, and its crop."""
    names = None if record.pairing == "item" else outermost(product.parse, record.garment)
    try:
        crop = garment_crop(product.parse, names, product.size)
    except ValueError as error:
        raise RecordError("labels-outside", record.product_parse, f"{error}; label the picture anew") from error
    if crop is None:
        raise RecordError(
            "garment-not-worn", record.product_parse, f"no region of the {record.garment} garment in this frame"
        )
    if names is None:
        mask = garment_mask(product.parse, crop, linings)
    else:
        mask = pixels_of(label_map(product.parse, crop), names)
    if mask.mean() < _SMALLEST_GARMENT:
        raise RecordError("no-garment", record.product_parse, "no region but hidden ones; label the garment anew")
    square = cut(product.pixels, crop)
    alone = np.asarray(cv2.copyTo(square, mask.view(np.uint8), np.full_like(square, MID_GREY)), np.uint8)
    return resize(alone, CONDITIONING_SIZE), crop


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
