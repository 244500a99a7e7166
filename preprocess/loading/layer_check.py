"""Checks that the garment tried on is the person's outermost top; `conditioning.layers` has the rule."""

from __future__ import annotations

from preprocess.conditioning import PersonSide, Subject
from preprocess.conditioning.layers import Palette, contradicts_list, layers_in, product_palette
from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import read_item_parse
from preprocess.formats.images import cut, decode
from preprocess.sources import Files, Record


def check_layers(files: Files, person: Subject, side: PersonSide, product: Subject, record: Record) -> None:
    """Raise RecordError unless the product is the outermost top that the person wears.

    The top listed beneath is only read if list and parse do not decide.
    """
    if record.pairing != "item" or record.garment != "upper":
        return
    if contradicts_list(
        cut(person.pixels, side.crop),
        side.labels,
        person.parse,
        record.layers,
        lambda: product_palette(product.pixels, product.parse, product.factor),
        lambda: _palette_beneath(files, record),
    ):
        raise RecordError(
            Fault.AMBIGUOUS_LAYERS, record.person_parse,
            f"{layers_in(person.parse)} layers of tops in the parse, {record.layers} in the list, and by its colours "
            f"{record.item} need not be the outer one; repair the list's main_top and inner_top, or the regions",
        )  # fmt: skip


def _palette_beneath(files: Files, record: Record) -> Palette | None:
    """Return the colours of the top listed beneath, None if its files cannot be used."""
    if not record.beneath_image or not record.beneath_parse:
        return None
    try:
        parse = read_item_parse(files.read(record.beneath_parse), record.beneath_parse)
        pixels, _ = decode(files.read(record.beneath_image), record.beneath_image, parse.image_size)
    except RecordError:
        return None
    return product_palette(pixels, parse, 1)
