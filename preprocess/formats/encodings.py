"""Decodes text files as people write them: UTF-8, UTF-16, and the code pages of Korean and Western Windows."""

from __future__ import annotations

import codecs

from preprocess.faults import Fault

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", Fault.UTF_8_BOM),
    (codecs.BOM_UTF16_LE, "utf-16-le", Fault.UTF_16_TEXT),
    (codecs.BOM_UTF16_BE, "utf-16-be", Fault.UTF_16_TEXT),
)
_CODE_PAGES = (("cp949", Fault.CP949_TEXT), ("cp1252", Fault.CP1252_TEXT))


def readings(data: bytes) -> list[tuple[str, Fault | None]]:
    """Return every plausible reading of a text and how it is encoded, None for plain UTF-8; the likeliest first.

    Empty if the bytes are not text. A byte order mark or valid UTF-8 leaves one reading; without either, several code
    pages may fit, and only the words tell which is right.
    """
    for mark, encoding, fault in _MARKS:
        if data.startswith(mark):
            return _read(data[len(mark) :], encoding, fault)
    if b"\0" in data:
        few_low = data[0::2].count(0) >= data[1::2].count(0)
        return _read(data, "utf-16-be" if few_low else "utf-16-le", Fault.UTF_16_TEXT)
    if plain := _read(data, "utf-8", None):
        return plain
    return [reading for encoding, fault in _CODE_PAGES for reading in _read(data, encoding, fault)]


def _read(data: bytes, encoding: str, fault: Fault | None) -> list[tuple[str, Fault | None]]:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return []
    return [] if "\0" in text else [(text, fault)]
