import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas import AGNOSTIC, JP, PERSON, PERSON_256
from train.data import ShardFolder, decode
from train.data.decode import Pixels, decode_image, decode_pose


@pytest.fixture(scope="module")
def large(shards: Path) -> Pixels:
    """Return the bytes of a picture of 1024²."""
    return np.frombuffer(ShardFolder(shards, "train").read(0, PERSON)[0], np.uint8)


@pytest.mark.parametrize("size", [512, 256, 128, 100, 32])
def test_reduced_decoding_is_close_to_the_area_average(large: Pixels, size: int) -> None:
    whole = decode_image(large, 1024, 1024)
    small = decode_image(large, 1024, size)
    averaged = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA)
    assert small.shape == (size, size, 3)
    assert np.abs(small.astype(int) - averaged).mean() < 0.5
    assert np.abs(small.astype(int) - averaged[..., ::-1]).mean() > 5


@pytest.mark.parametrize("size", [1024, 512, 256, 128, 300])
@pytest.mark.parametrize("share", [0.1, 0.34, 0.5, 0.97, 1.0])
def test_omitted_rows_do_not_change_those_above(large: Pixels, size: int, share: float) -> None:
    bottom = round(share * size)
    part = decode_image(large, 1024, size, bottom)
    assert np.array_equal(part[:bottom], decode_image(large, 1024, size)[:bottom])
    assert part.shape[0] < size or share > 0.9 or size == 300


@pytest.mark.parametrize("agree", [True, False])
@pytest.mark.parametrize("sampling", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420])
@pytest.mark.parametrize("size", [256, 128, 64, 16])
def test_every_cut_gives_the_rows_of_the_whole_image(
    monkeypatch: pytest.MonkeyPatch, agree: bool, sampling: int, size: int
) -> None:  # fmt: skip
    """On noise, the worst of images; where the decoders differ, Pillow alone decodes what is cropped."""
    if not agree:
        monkeypatch.setattr(decode, "_decoders_agree", lambda: False)
    noise = np.random.default_rng(size).integers(0, 256, (256, 256, 3), np.uint8)
    data = np.asarray(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])[1], np.uint8)
    whole = decode_image(data, 256, size, size)
    assert whole.shape == (size, size, 3)
    for bottom in range(1, size, 1 + size // 16):
        assert np.array_equal(decode_image(data, 256, size, bottom)[:bottom], whole[:bottom])


def test_the_decoders_of_this_installation_agree() -> None:
    """Else the third stage still trains, but its images are decoded under Python's lock."""
    assert decode._decoders_agree()


@pytest.mark.parametrize("bottom", [None, 256])
@pytest.mark.parametrize("member", [PERSON_256, AGNOSTIC])
def test_incomplete_images_are_refused(shards: Path, member: str, bottom: int | None) -> None:
    data = np.frombuffer(ShardFolder(shards, "train").read(0, member)[0], np.uint8)
    for size in (256, 64):
        assert decode_image(data, 256, size, bottom).shape == (size, size, 3)
        for broken in (data[: len(data) // 2], np.zeros_like(data), data[:3]):
            with pytest.raises((ValueError, OSError)):
                decode_image(broken, 256, size, bottom and size)
    with pytest.raises(ValueError, match="not 512 x 512 pixels"):
        decode_image(data, 512, 512)


def test_a_pose_is_never_unpickled(shards: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("unpickled",)

    trapped = io.BytesIO()
    np.save(trapped, np.array([Trap()] * 51, dtype=object).reshape(17, 3), allow_pickle=True)
    with pytest.raises(ValueError, match="not float32"):
        decode_pose(trapped.getvalue())
    upsample_nearest_2x = io.BytesIO()
    np.save(upsample_nearest_2x, np.zeros((17, 3), np.float64))
    with pytest.raises(ValueError, match="not float32"):
        decode_pose(upsample_nearest_2x.getvalue())
    assert decode_pose(ShardFolder(shards, "train").read(0, JP)[0]).shape == (17, 3)
