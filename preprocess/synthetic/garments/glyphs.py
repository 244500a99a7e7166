"""Letters and digits as small bitmaps: OpenCV's fonts differ from one release to the next."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from preprocess.synthetic.drawing.canvas import F32

_ROWS, _COLUMNS = 7, 5
_SMOOTH: Final = 8
"""A bitmap is enlarged so many times before its outline is rounded."""
GLYPHS: Final[dict[str, str]] = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11191915131311", "O": "0E11111111110E",
    "P": "1E11111E101010", "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "1111111515150A", "X": "11110A040A1111", "Y": "11110A04040404",
    "Z": "1F01020408101F", "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E",
    "4": "02060A121F0202", "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E",
    "9": "0E11110F01020C", " ": "00000000000000", "&": "0C1214080D120D",
}  # fmt: skip
"""A glyph's seven rows of five pixels, two hexadecimal digits a row."""


def text_cover(text: str, width: int, height: int, weight: float, slant: float) -> F32:
    """Return the coverage (height, width), 0 or 1, of a line of text.

    weight: 0 thin to 1 bold; slant: shift of the top to the right, in parts of the height.
    """
    cells = np.zeros((_ROWS + 2, len(text) * (_COLUMNS + 1) + 1), np.float32)
    for place, letter in enumerate(text):
        code = bytes.fromhex(GLYPHS[letter])
        for row, bits in enumerate(code):
            for column in range(_COLUMNS):
                cells[row + 1, place * (_COLUMNS + 1) + column + 1] = bits >> (_COLUMNS - 1 - column) & 1
    large = cv2.resize(cells, None, fx=_SMOOTH, fy=_SMOOTH, interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(large, (0, 0), 0.28 * _SMOOTH)
    tall, wide = soft.shape
    fit = np.array([[width / wide, -slant * height / tall, slant * height * 0.5], [0.0, height / tall, 0.0]])
    placed = cv2.warpAffine(soft, fit, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(placed > 0.62 - 0.34 * weight, np.float32)
