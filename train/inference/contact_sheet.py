"""A contact sheet: one row per pair, one column per kind of image."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from train.data.shards import Pixels

_CELL = 192
_GAP = 6
_TITLE = 28


def contact_sheet(titles: Sequence[str], rows: Sequence[Sequence[Pixels]]) -> Image.Image:
    """Lay out rows of square images under column titles; small images are enlarged without smoothing."""
    width = len(titles) * (_CELL + _GAP) + _GAP
    height = _TITLE + len(rows) * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for column, title in enumerate(titles):
        x = _GAP + column * (_CELL + _GAP) + _CELL // 2
        draw.text((x, _TITLE // 2 + 2), title, fill="black", font=font, anchor="mm")
    for y, row in enumerate(rows):
        for column, pixels in enumerate(row):
            image = Image.fromarray(pixels)
            how = Image.Resampling.NEAREST if image.width < _CELL else Image.Resampling.BOX
            image = image.resize((_CELL, _CELL), how)
            sheet.paste(image, (_GAP + column * (_CELL + _GAP), _TITLE + y * (_CELL + _GAP)))
    return sheet
