import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from preprocess.faults import RecordError
from preprocess.formats.label_maps import PixelParse, parse_of, read_numbers
from preprocess.label_tables import NAMES, PALETTES, REGIONS, Pixelwise, region_names

U8 = NDArray[np.uint8]


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def palette_png(numbers: U8, colours: Any = PALETTES[0]) -> bytes:
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(np.array(colours, np.uint8).ravel().tolist())
    return png(picture)


def numbers_of(*values: int) -> U8:
    """Return a map of 40 x 60 with a band of 60 x 5 of each value below background."""
    numbers = np.zeros((40, 60), np.uint8)
    for place, value in enumerate(values):
        numbers[5 + 5 * place : 10 + 5 * place] = value
    return numbers


def read(data: bytes, path: str, labels: Pixelwise) -> PixelParse:
    return parse_of(read_numbers(data, path), path, labels)


def test_the_same_number_means_what_its_table_says() -> None:
    data = palette_png(numbers_of(10))
    assert read(data, "a.png", "cihp").present == {"unknown"}, "torso skin is hidden, but is no garment"
    assert read(data, "a.png", "lip").present == {"dress_torso"}
    assert read(data, "a.png", "dress-code").present == {"right_shoe"}


@pytest.mark.parametrize(("labels", "count"), [("cihp", 20), ("lip", 20), ("dress-code", 18)])
def test_tables_are_whole_and_name_regions(labels: Pixelwise, count: int) -> None:
    assert len(NAMES[labels]) == len(set(NAMES[labels])) == count
    regions = dict(zip(NAMES[labels], region_names(labels), strict=True))
    assert regions["background"] == ""
    assert regions["pants"] == "pants_hip"
    assert regions["left arm"] == "left_arm"
    assert {name for name, region in regions.items() if region == "unknown"} == set(NAMES[labels]) - set(REGIONS)


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "I;16"])
def test_numbers_are_read_from_every_kind_of_png(mode: str) -> None:
    numbers = numbers_of(5, 13, 9)
    pictures: dict[str, bytes] = {
        "P": palette_png(numbers),
        "L": png(Image.fromarray(numbers)),
        "RGB": png(Image.fromarray(np.repeat(numbers[..., None], 3, axis=2))),
        "I;16": png(Image.fromarray(numbers.astype(np.uint16))),
    }
    parse = read(pictures[mode], "a.png", "cihp")
    assert np.array_equal(parse.numbers, numbers)
    assert parse.image_size == (60, 40)
    assert parse.present == {"inner_torso", "face", "pants_hip"}


def test_the_palette_of_real_files_has_254_for_255() -> None:
    colours = np.minimum(np.array(PALETTES[0]), 254)
    assert read(palette_png(numbers_of(2, 5), colours), "a.png", "cihp").present == {"hair", "inner_torso"}


def test_a_palette_of_its_own_says_nothing_against_the_numbers() -> None:
    greys = [(n, n, n) for n in range(256)]
    assert read(palette_png(numbers_of(2, 5), greys), "a.png", "cihp").present == {"hair", "inner_torso"}
    assert read(palette_png(numbers_of(2, 5), PALETTES[1]), "a.png", "dress-code").present == {
        "hair",
        "skirt",
    }


def painted_with_own_order(numbers: U8) -> bytes:
    """Return a colour picture of the labels, reduced to a palette again: the numbers are in some other order."""
    colours = np.array(PALETTES[0], np.uint8)[numbers]
    return png(Image.fromarray(colours).quantize(8))


def test_a_painted_parse_is_turned_back_into_labels() -> None:
    numbers = numbers_of(5, 13, 9)
    for data in (png(Image.fromarray(np.array(PALETTES[0], np.uint8)[numbers])), painted_with_own_order(numbers)):
        parse = read(data, "a.png", "cihp")
        assert np.array_equal(parse.numbers, numbers)
        assert parse.faults == ("painted-parse",)


def test_colours_of_no_known_palette_are_no_labels() -> None:
    colours = np.random.default_rng(1).integers(20, 235, (20, 3), dtype=np.uint8)
    for picture in (Image.fromarray(colours[numbers_of(5, 13, 9)]), Image.fromarray(colours).convert("CMYK")):
        buffer = io.BytesIO()
        picture.save(buffer, "TIFF")
        with pytest.raises(RecordError, match="colour-parse"):
            read(buffer.getvalue(), "a.tif", "cihp")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "bad-parse"),
        (b"no picture", "bad-parse"),
        (palette_png(numbers_of(5))[:-40], "bad-parse"),
        (png(Image.fromarray(numbers_of(20))), "bad-parse"),
        (png(Image.fromarray(numbers_of(5).astype(np.uint16) * 100)), "bad-parse"),
        (png(Image.fromarray(numbers_of())), "empty-parse"),
    ],
    ids=["nothing", "text", "cut", "beyond-the-table", "beyond-a-byte", "background"],
)
def test_what_holds_no_labels_is_rejected(data: bytes, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(data, "a.png", "cihp")
    assert caught.value.reason == reason


def test_specks_widen_no_box() -> None:
    numbers = np.zeros((200, 100), np.uint8)
    numbers[50:80, 20:60] = 1
    numbers[3, 3] = 1
    parse = PixelParse(numbers, ("", "hair"))
    box = parse.box()
    assert box == (20, 50, 59, 79)
    assert parse.mask()[3, 3], "but they are hidden with the rest"
