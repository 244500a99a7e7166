import numpy as np
import pytest

from preprocess.conditioning.regions import ARMS, HEAD, LEGS, LOWER, SHOES, UPPER, label_map, pixels_of
from preprocess.formats.aihub_json import Parse, regions_of
from schemas import Crop

NAMES = sorted(HEAD | ARMS | LEGS | SHOES | UPPER | LOWER | {"neck"})
CROP = Crop(x=0, y=0, side=8 * len(NAMES))


@pytest.fixture(scope="module")
def parse() -> Parse:
    """Each region a square of its own."""
    corners = np.array([(0, 0), (6, 0), (6, 6), (0, 6)], np.float64)
    regions = regions_of({name: [corners + 8 * place] for place, name in enumerate([*NAMES, "umbrella"])})
    return Parse(regions, (CROP.side, CROP.side), ())


@pytest.mark.parametrize(
    "names",
    [frozenset[str](), frozenset({"face"}), HEAD, UPPER, LOWER | LEGS | SHOES, UPPER | ARMS | SHOES, UPPER | LOWER],
)
def test_the_pixels_of_regions_are_those_of_their_squares(parse: Parse, names: frozenset[str]) -> None:
    found = pixels_of(label_map(parse, CROP), names)
    assert found.dtype == np.bool_
    for place, name in enumerate(NAMES):
        square = found[8 * place : 8 * place + 7, 8 * place : 8 * place + 7]
        assert square.all() == square.any() == (name in names)
    assert found.sum() == 49 * len(names)
