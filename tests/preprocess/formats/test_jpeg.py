"""The upper rows of a JPEG are decoded alone, to the last bit as with the rest, and libjpeg says nothing."""

import os

import cv2
import numpy as np
import pytest

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import decode
from preprocess.formats.jpeg import cut_below, frame_of, listening

FULL, HALVED = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420


def jpeg(width: int, height: int, *flags: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    pixels = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", pixels, list(flags))[1].tobytes()


def decoded(data: bytes, flags: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags))


@pytest.mark.parametrize("sampling", [FULL, HALVED])
@pytest.mark.parametrize("size", [(720, 1280), (531, 943), (60, 200)])
@pytest.mark.parametrize(
    ("flags", "factor"),
    [(cv2.IMREAD_COLOR_RGB, 1), (cv2.IMREAD_REDUCED_COLOR_2, 2), (cv2.IMREAD_REDUCED_GRAYSCALE_8, 8)],
)
def test_the_rows_above_are_those_of_the_whole_image(
    size: tuple[int, int], sampling: int, flags: int, factor: int, capfd: pytest.CaptureFixture[str]
) -> None:
    data = jpeg(*size, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    whole = decoded(data, flags)
    frame = frame_of(data)
    assert frame is not None
    assert (frame.width, frame.height) == size
    for rows in (1, 15, 16, 17, 100, 130):
        upper = cut_below(data, frame, rows)
        assert upper is not None
        part = decoded(upper, flags)
        assert rows <= part.shape[0] * factor < rows + 40
        needed = -(-rows // factor)
        assert np.array_equal(part[:needed], whole[:needed])
    assert capfd.readouterr() == ("", "")


def test_almost_the_whole_image_is_not_cut() -> None:
    data = jpeg(64, 100)
    frame = frame_of(data)
    assert frame is not None
    assert [cut_below(data, frame, rows) is None for rows in (64, 80, 96, 100, 200)] == [False, False, True, True, True]


def with_exif(data: bytes) -> bytes:
    return data[:2] + b"\xff\xe1\x00\x0aExif\x00\x00MM" + data[2:]


def in_several_scans(data: bytes) -> bytes:
    place = data.index(b"\xff\xda")
    return data[: place + 4] + b"\x01" + data[place + 5 :]


@pytest.mark.parametrize(
    "data",
    [
        jpeg(64, 200, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        jpeg(64, 200, cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
        with_exif(jpeg(64, 200)),
        in_several_scans(jpeg(64, 200)),
        jpeg(64, 200) + jpeg(8, 8),
        jpeg(64, 200)[:-2],
    ],
    ids=["progressive", "restarts", "EXIF", "several scans", "another picture behind", "cut short"],
)
def test_only_plain_files_are_cut(data: bytes) -> None:
    frame = frame_of(data)
    assert frame is not None
    assert (frame.width, frame.height) == (64, 200)
    assert cut_below(data, frame, 20) is None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG", jpeg(64, 200)[:300], b"\xff\xd8\xff\xda" + bytes(20)],
    ids=["nothing", "a start alone", "PNG", "cut before the pixels", "pixels of no size"],
)  # fmt: skip
def test_what_has_no_pixels_has_no_frame(data: bytes) -> None:
    assert frame_of(data) is None


def damaged(kind: str) -> bytes:
    data = jpeg(256, 400, *((cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if kind == "progressive" else ()))
    half = len(data) // 2
    return data[:half] + (b"\xff\xd9" if kind != "a hole" else data[half + 3000 :])


@pytest.mark.parametrize("kind", ["ends early", "progressive", "a hole"])
def test_data_of_which_libjpeg_warns_is_a_fault(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecordError) as error:
        decode(damaged(kind), "a.jpg", None)
    assert error.value.reason is Fault.CORRUPT_IMAGE
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("extra", [b"\0" * 5, b"\0" * 300])
def test_bytes_between_pixels_and_end_do_no_harm(extra: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    data = jpeg(256, 400)
    assert np.array_equal(decode(data[:-2] + extra + data[-2:], "a.jpg", None)[0], decode(data, "a.jpg", None)[0])
    assert capfd.readouterr() == ("", "")


def test_what_others_write_to_stderr_meanwhile_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with listening() as heard:
        os.write(2, b"an estimate\n")
    assert not heard.found
    assert capfd.readouterr().err == "an estimate\n"
