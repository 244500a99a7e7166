import io

import numpy as np
import pytest
from PIL import Image

from preprocess.faults import RecordError
from preprocess.formats.images import cut, decode, decode_above, encode_jpeg, encode_png, resize
from schemas import MID_GREY, Crop


def gradient(height: int, width: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 40)], axis=-1).astype(np.uint8)


def test_png_keeps_every_pixel() -> None:
    pixels = gradient(40, 30)
    assert np.array_equal(decode(encode_png(pixels), "a.png", None)[0], pixels)


def test_jpeg_is_rgb_with_full_chroma() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 1::2] = (255, 0, 0)  # red and black columns: halved chroma would smear them
    read = np.array(Image.open(io.BytesIO(encode_jpeg(pixels, 95)))).astype(int)
    assert np.abs(read - pixels).max() < 40


def test_exif_orientation_is_applied() -> None:
    image = Image.fromarray(gradient(30, 40))
    exif = image.getexif()
    exif[274] = 6  # turn right to see it upright
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, exif=exif)
    pixels, turned = decode(buffer.getvalue(), "a.jpg", None)
    assert (pixels.shape, turned) == ((40, 30, 3), False)


def test_a_sideways_image_is_turned_if_its_labels_are_portrait() -> None:
    upright = gradient(40, 30)
    data = encode_png(np.ascontiguousarray(np.rot90(upright)))  # turned left, so that it has to be turned right
    pixels, turned = decode(data, "a.png", (30, 40))
    assert turned
    assert np.array_equal(pixels, upright)
    assert not decode(data, "a.png", (40, 30))[1]


def test_what_cannot_be_decoded_whole_is_rejected() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    jpeg = encode_jpeg(noise, 95)
    for data in (b"", b"not a picture", jpeg[: len(jpeg) // 2], jpeg[:-40]):
        with pytest.raises(RecordError, match="bad-image"):
            decode(data, "a.jpg", None)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_the_rows_above_are_as_decoded_with_the_rest(factor: int) -> None:
    data = encode_jpeg(gradient(301, 143), 95)
    whole, _ = decode(data, "a.jpg", None, factor)
    found = decode_above(data, 120, (143, 301), factor)
    assert found is not None
    upper, size = found
    assert size == (whole.shape[1], whole.shape[0])
    assert 120 <= factor * len(upper) < 160
    assert np.array_equal(upper[: 120 // factor], whole[: 120 // factor])


def test_an_image_to_be_turned_or_an_incomplete_jpeg_is_not_decoded_in_part() -> None:
    lying = encode_jpeg(gradient(200, 300), 95)
    assert decode_above(lying, 20, (300, 200)) is not None
    for data, labelled in ((lying, (200, 300)), (lying[:-40], None), (encode_png(gradient(200, 300)), None)):
        assert decode_above(data, 20, labelled) is None


def test_cut_is_mid_grey_beyond_the_image() -> None:
    pixels = gradient(20, 20)
    square = cut(pixels, Crop(x=-5, y=10, side=20))
    assert square.shape == (20, 20, 3)
    assert np.array_equal(square[:10, 5:], pixels[10:, :15])
    assert (square[:, :5] == MID_GREY).all()
    assert (square[10:] == MID_GREY).all()


def test_resize_keeps_flat_colours() -> None:
    flat = np.full((50, 50, 3), (10, 127, 250), np.uint8)
    for size in (16, 50, 77):
        assert np.array_equal(resize(flat, size), np.full((size, size, 3), (10, 127, 250), np.uint8))
