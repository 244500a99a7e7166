"""The tuple (Ia, Jp, Ic, Jg) with its target Ip: the person's side and the garment's, each a pure function."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import ESTIMATED_MARGIN, MARGIN, agnostic
from preprocess.conditioning.crop import garment_crop, normalise, person_crop
from preprocess.conditioning.layers import outermost
from preprocess.conditioning.masks import share_of
from preprocess.conditioning.regions import WORN, LabelMap, claimed_by, garment_mask, label_map, pixels_of
from preprocess.conditioning.subject import Subject
from preprocess.faults import RecordError
from preprocess.formats.images import Pixels, cut, resize
from preprocess.formats.label_maps import PixelParse
from preprocess.sources import Record
from schemas import CONDITIONING_SIZE, MID_GREY, TARGET_SIZE, Crop

_SMALLEST_GARMENT = 0.002
"""A garment on less of its crop than this is a wrong label, not a garment."""


@dataclass(frozen=True)
class PersonSide:
    """Ip at both sizes and Ia, RGB uint8; Jp, float32 (17, 3); the crop, and the regions in it."""

    Ip: Pixels
    Ip_256: Pixels
    Ia: Pixels
    Jp: NDArray[np.float32]
    crop: Crop
    labels: LabelMap


@dataclass(frozen=True)
class GarmentSide:
    """Ic, RGB uint8; Jg, float32 (17, 3); the crop."""

    Ic: Pixels
    Jg: NDArray[np.float32]
    crop: Crop


def person_side(person: Subject, record: Record) -> PersonSide:
    """Compute what of the tuple is the person's. Raise RecordError where the labels cannot be used."""
    try:
        crop = person_crop(person.pose, person.parse, record.garment, person.size)
    except ValueError as error:
        raise RecordError("labels-outside", record.person_parse, f"{error}; label the picture anew") from error
    labels = label_map(person.parse, crop)
    if share_of(pixels_of(labels, WORN[record.garment])) < _SMALLEST_GARMENT:
        raise RecordError(
            "garment-not-worn", record.person_parse, f"no region of the {record.garment} garment that the list names"
        )
    square = cut(person.pixels, crop)
    points = person.pose.points - (crop.x, crop.y, 0.0)
    claimed = claimed_by(person.parse, WORN[record.garment], crop)
    # A label map has a label for every pixel, so what lies beside the garment need not be given up with the margin.
    by_pixel = isinstance(person.parse, PixelParse)
    margin = ESTIMATED_MARGIN if person.parse.origin == "estimated" else MARGIN
    Ia = agnostic(square, labels, claimed, points, record.garment, margin=margin, whole_half=by_pixel)
    Ip = resize(square, TARGET_SIZE)
    return PersonSide(
        Ip=Ip,
        Ip_256=resize(Ip, CONDITIONING_SIZE),  # a whole number of times smaller, which is twice as fast
        Ia=resize(Ia, CONDITIONING_SIZE),
        Jp=normalise(person.pose, crop),
        crop=crop,
        labels=labels,
    )


def garment_side(product: Subject, record: Record, *, linings: bool) -> GarmentSide:
    """Compute what of the tuple is the garment's; with ``linings``, Ic shows a product's `*_hidden` regions too.

    Raise RecordError where the labels cannot be used.
    """
    names = None if record.pairing == "item" else outermost(product.parse, record.garment)
    try:
        crop = garment_crop(product.parse, names, product.size)
    except ValueError as error:
        raise RecordError("labels-outside", record.product_parse, f"{error}; label the picture anew") from error
    if crop is None:
        raise RecordError(
            "garment-not-worn", record.product_parse, f"no region of the {record.garment} garment in this frame"
        )
    crop = _aligned(crop, product.factor)
    if names is None:
        mask = garment_mask(product.parse, crop, linings, product.factor)
    else:
        mask = pixels_of(label_map(product.parse, crop), names)
    if share_of(mask) < _SMALLEST_GARMENT:
        raise RecordError("no-garment", record.product_parse, "no region but hidden ones; label the garment anew")
    square = cut(product.pixels, _shrunk(crop, product.factor))
    alone = np.asarray(cv2.copyTo(square, mask.view(np.uint8), np.full_like(square, MID_GREY)), np.uint8)
    return GarmentSide(resize(alone, CONDITIONING_SIZE), normalise(product.pose, crop), crop)


def _aligned(crop: Crop, factor: int) -> Crop:
    """Return the crop with its edges on whole pixels of the shrunk picture."""
    side = -(-crop.side // factor) * factor
    return Crop(x=crop.x // factor * factor, y=crop.y // factor * factor, side=side)


def _shrunk(crop: Crop, factor: int) -> Crop:
    return Crop(x=crop.x // factor, y=crop.y // factor, side=crop.side // factor)
