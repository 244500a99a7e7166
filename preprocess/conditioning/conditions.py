"""A Subject, and the tuple (Ia, Jp, Ic, Jg) with its target Ip: the person's side and the garment's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import ESTIMATED_MARGIN, MARGIN, SMALLEST_GARMENT, agnostic, grey_where_hidden
from preprocess.conditioning.crop import garment_crop, normalise, person_crop, photo_area
from preprocess.conditioning.layers import outermost
from preprocess.conditioning.masks import Box, share_of
from preprocess.conditioning.regions import (
    WORN,
    AnyParse,
    LabelMap,
    claimed_by,
    cut_mask,
    garment_mask,
    label_map,
    pixels_of,
)
from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import Pose
from preprocess.formats.images import Mask, Pixels, cut, resize
from preprocess.formats.label_maps import PixelParse
from schemas import CONDITIONING_SIZE, MID_GREY, TARGET_SIZE, Crop, Garment, Pairing

STRAY, MOST_STRAY = 0.02, 0.04
"""Shares of the crop that show the garment under other labels: hidden and noted above the first, rejected above the
second (docs/measurements/agnostic.md)."""


@dataclass(frozen=True)
class Subject:
    """A decoded image of a person or of a product with its annotations, in pixels of the upright image of ``size``.

    ``pixels`` are that image at one ``factor``-th of its size: 1, 2 or 4. Rows below its crop may be missing.
    """

    pixels: Pixels
    size: tuple[int, int]
    factor: int
    pose: Pose
    parse: AnyParse
    parse_path: str
    """The parse's file, for messages"""
    faults: tuple[Fault, ...]
    """Faults that were repaired or noted while it was loaded"""
    hidden: Mask | None = None
    """The mask of what Ia hides of a person, (h, w) of the upright image, if one was made by hand"""


@dataclass(frozen=True)
class PersonSide:
    """Ip at both sizes and Ia, RGB uint8; Jp, float32 (17, 3); the crop, the regions in it, and what was repaired."""

    Ip: Pixels
    Ip_256: Pixels
    Ia: Pixels
    Jp: NDArray[np.float32]
    crop: Crop
    labels: LabelMap
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class GarmentSide:
    """Ic, RGB uint8; Jg, float32 (17, 3); the crop."""

    Ic: Pixels
    Jg: NDArray[np.float32]
    crop: Crop


def person_side(person: Subject, garment: Garment, *, target_size: int = TARGET_SIZE, worn: bool = True) -> PersonSide:
    """Compute the person's side of the tuple, Ip at ``target_size``. Raise RecordError if the labels cannot be used.

    A person who does not wear the garment (``worn`` is false) need not wear anything of its kind, and is not rejected
    for cloth under other labels: Ia hides it all the same, and no network is trained on the sample.
    """
    try:
        crop = person_crop(person.pose, person.parse, garment, person.size)
    except ValueError as error:
        raise RecordError(Fault.LABELS_OUTSIDE, person.parse_path, f"{error}; label the image again") from error
    labels = label_map(person.parse, crop)
    if worn and share_of(pixels_of(labels, WORN[garment])) < SMALLEST_GARMENT:
        raise RecordError(
            Fault.GARMENT_NOT_WORN, person.parse_path, f"no region of the {garment} garment that the list names"
        )
    square = cut(person.pixels, crop)
    points = person.pose.points - (crop.x, crop.y, 0.0)
    claimed = claimed_by(person.parse, WORN[garment], crop)
    # A label map labels every pixel, so the parts next to the garment are kept instead of lost to the margin.
    by_pixel = isinstance(person.parse, PixelParse)
    margin = ESTIMATED_MARGIN if person.parse.origin == "estimated" else MARGIN
    photo = photo_area(crop, person.size)
    if person.hidden is not None:
        Ia, stray = _agnostic_by_hand(square, cut_mask(person.hidden, crop), labels, garment, photo)
    else:
        Ia, stray = agnostic(square, labels, claimed, points, garment, photo=photo, margin=margin, whole_half=by_pixel)
    if worn and stray > MOST_STRAY:
        raise RecordError(
            Fault.MISLABELLED_GARMENT,
            person.parse_path,
            f"{stray:.1%} of the crop shows the {garment} garment's colours under other labels; label the image again",
        )
    Ip = resize(square, target_size)
    return PersonSide(
        Ip=Ip,
        Ip_256=resize(Ip, CONDITIONING_SIZE),  # a whole number of times smaller, which is twice as fast
        Ia=Ia,
        Jp=normalise(person.pose, crop),
        crop=crop,
        labels=labels,
        faults=(Fault.STRAY_CLOTH,) if stray > STRAY else (),
    )


def _agnostic_by_hand(
    square: Pixels, hidden: Mask, labels: LabelMap, garment: Garment, photo: Box
) -> tuple[Pixels, float]:
    """Return Ia by a mask made by hand, and the share of the crop that still shows the worn garment."""
    visible = np.zeros(labels.shape, np.bool_)
    visible[photo] = ~hidden[photo]
    return grey_where_hidden(square, visible, CONDITIONING_SIZE), share_of(visible & pixels_of(labels, WORN[garment]))


def garment_side(
    product: Subject, garment: Garment, pairing: Pairing, *, linings: bool, size: int = CONDITIONING_SIZE
) -> GarmentSide:
    """Compute the garment's side of the tuple, Ic at ``size``.

    With ``linings``, Ic shows a product's `*_hidden` regions too. ``pairing`` is "item" if the product is a product
    photograph, "view" if it is another frame of the look. Raise RecordError if the labels cannot be used.
    """
    names = None if pairing == "item" else outermost(product.parse, garment)
    try:
        crop = garment_crop(product.parse, names, product.size)
    except ValueError as error:
        raise RecordError(Fault.LABELS_OUTSIDE, product.parse_path, f"{error}; label the image again") from error
    if crop is None:
        raise RecordError(
            Fault.GARMENT_NOT_WORN, product.parse_path, f"no region of the {garment} garment in this frame"
        )
    crop = _aligned(crop, product.factor)
    if names is None:
        mask = garment_mask(product.parse, crop, linings, product.factor)
    else:
        mask = pixels_of(label_map(product.parse, crop), names)
    if share_of(mask) < SMALLEST_GARMENT:
        raise RecordError(Fault.NO_GARMENT, product.parse_path, "no region but hidden ones; label the garment again")
    square = cut(product.pixels, _shrunk(crop, product.factor))
    alone = np.asarray(cv2.copyTo(square, mask.view(np.uint8), np.full_like(square, MID_GREY)), np.uint8)
    return GarmentSide(resize(alone, size), normalise(product.pose, crop), crop)


def _aligned(crop: Crop, factor: int) -> Crop:
    """Return the crop with its edges on whole pixels of the shrunk image."""
    side = -(-crop.side // factor) * factor
    return Crop(x=crop.x // factor * factor, y=crop.y // factor * factor, side=side)


def _shrunk(crop: Crop, factor: int) -> Crop:
    return Crop(x=crop.x // factor, y=crop.y // factor, side=crop.side // factor)
