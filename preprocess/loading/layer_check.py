"""Whether the garment that is tried on is the outermost top of the person; see `layers` for the rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.conditions import PersonSide
from preprocess.conditioning.layers import beneath, has_outer_layer, is_clearly_more_like, outermost, palette
from preprocess.conditioning.regions import AnyParse, garment_mask, pixels_of
from preprocess.conditioning.subject import Subject
from preprocess.faults import RecordError
from preprocess.formats.aihub_json import read_item_parse
from preprocess.formats.images import Pixels, cut, decode
from preprocess.sources import Files, Record
from schemas import Crop


def check_layers(files: Files, person: Subject, side: PersonSide, product: Subject, record: Record) -> None:
    """Raise RecordError `ambiguous-layers` unless the product is the outermost top that the person wears."""
    if record.pairing != "item" or record.garment != "upper":
        return
    layers = 2 if has_outer_layer(person.parse) else 1
    if layers == record.layers == 1:
        return  # nothing is worn beneath
    seen_beneath = pixels_of(side.labels, beneath(person.parse))
    if layers == 2 and not seen_beneath.any():
        return  # it cannot be seen
    square = cut(person.pixels, side.crop)
    mine = _product_palette(product.pixels, product.parse, product.factor)
    worn = palette(square, pixels_of(side.labels, outermost(person.parse, "upper")))
    if layers == 1:
        wrong = is_clearly_more_like(worn, _palette_beneath(files, record), mine)
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


def _product_palette(pixels: Pixels, parse: AnyParse, factor: int) -> NDArray[np.float32] | None:
    height, width = pixels.shape[:2]
    mask = garment_mask(parse, Crop(x=0, y=0, side=factor * max(width, height)), factor=factor)
    return palette(pixels, np.ascontiguousarray(mask[:height, :width]))


def _palette_beneath(files: Files, record: Record) -> NDArray[np.float32] | None:
    """Return the colours of the top that is listed beneath, None where its files cannot be used."""
    if not record.beneath_image or not record.beneath_parse:
        return None
    try:
        parse = read_item_parse(files.read(record.beneath_parse), record.beneath_parse)
        pixels, _ = decode(files.read(record.beneath_image), record.beneath_image, parse.image_size)
    except RecordError:
        return None
    return _product_palette(pixels, parse, 1)
