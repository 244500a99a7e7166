"""Every member decodes to what the contract says."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from preprocess.inspection.verification import Problem, Report

Check = Callable[[Any], Report]
FIRST = "train-000000.tar"


def picture(kind: str, size: tuple[int, int], mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a hundred bytes that announces 3.6 thousand million pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def npy(pose: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, pose)
    return buffer.getvalue()


def huge_npy() -> bytes:
    """A header that announces 4 PB."""
    good = npy(np.zeros((17, 3), np.float32))
    return good.replace(b"(17, 3), }" + b" " * 14, b"(999999999999999,), }   ", 1)[: len(good)]


@pytest.mark.parametrize(
    ("ending", "data", "what"),
    [
        ("agnostic.png", b"", "no image that can be decoded"),
        ("agnostic.png", b"GIF89a", "no image that can be decoded"),
        ("agnostic.png", picture("PNG", (128, 256), "RGB"), "PNG 128x256 RGB, not PNG 256x256 RGB"),
        ("agnostic.png", picture("PNG", (256, 256), "L"), "PNG 256x256 L, not PNG 256x256 RGB"),
        ("agnostic.png", picture("PNG", (256, 256), "RGBA"), "PNG 256x256 RGBA, not PNG 256x256 RGB"),
        ("garment.png", picture("JPEG", (256, 256), "RGB"), "JPEG 256x256 RGB, not PNG 256x256 RGB"),
        ("garment.png", picture("PNG", (256, 256), "RGB")[:-12], "the end of the image is missing"),
        ("garment.png", bomb(), "no image that can be decoded"),
        ("person.jpg", picture("JPEG", (256, 256), "RGB"), "JPEG 256x256 RGB, not JPEG 1024x1024 RGB"),
        ("person.jpg", picture("JPEG", (1024, 1024), "RGB")[:-400], "the end of the image is missing"),
        ("person_256.jpg", picture("JPEG", (256, 256), "CMYK"), "JPEG 256x256 CMYK, not JPEG 256x256 RGB"),
        ("jp.npy", b"", "no .npy file"),
        ("jp.npy", npy(np.zeros((17, 3))), "a pose is float32 (17, 3), not float64 (17, 3)"),
        ("jp.npy", npy(np.full((17, 3), np.nan, np.float32)), "a pose contains NaN or infinity"),
        ("jp.npy", npy(np.zeros((17, 3), np.float32))[:-4], None),
        ("jp.npy", huge_npy(), None),
        ("jg.npy", npy(np.zeros((1000, 3), np.float32)), "12128 bytes are no pose"),
        ("json", b"{}", None),
        ("json", b"[" * 100_000, None),
    ],
)
def test_a_damaged_member_is_named(ending: str, data: bytes, what: str | None, folder: Any, check: Check) -> None:
    folder.replace(FIRST, f"train_L1.{ending}", data)
    problems = check(folder).problems
    assert [(one.shard, one.key, one.member) for one in problems] == [(FIRST, "train_L1", ending)]
    assert what is None or problems == (Problem(FIRST, "train_L1", ending, what),)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"key":"train_L1"', b'"key":"train_L9"', "speaks of train_L9"),
        (b'"split":"train"', b'"split":"val"', "says split val, the shard is train"),
    ],
)
def test_a_description_of_another_sample(old: bytes, new: bytes, what: str, folder: Any, check: Check) -> None:
    data = dict(folder.members(FIRST))["train_L1.json"]
    folder.replace(FIRST, "train_L1.json", data.replace(old, new))
    assert check(folder).problems == (Problem(FIRST, "train_L1", "json", what),)


def test_a_png_with_a_changed_bit_does_not_decode(folder: Any, check: Check) -> None:
    data = bytearray(dict(folder.members(FIRST))["train_L1.garment.png"])
    data[len(data) // 2] ^= 0x10
    folder.replace(FIRST, "train_L1.garment.png", bytes(data))
    assert [one.member for one in check(folder).problems] == ["garment.png"]


def change_json(folder: Any, shard: str, key: str, old: bytes, new: bytes) -> None:
    data = dict(folder.members(shard))[f"{key}.json"]
    assert old in data
    folder.replace(shard, f"{key}.json", data.replace(old, new))


def test_a_look_in_two_splits(folder: Any, check: Check) -> None:
    change_json(folder, "val-000000.tar", "val_L4", b'"look":"L4"', b'"look":"L1"')
    what = "look L1 is in two splits: train_L1 is train"
    assert check(folder).problems == (Problem("val-000000.tar", "val_L4", "", what),)


def test_an_item_in_two_splits_front_or_back(folder: Any, check: Check) -> None:
    change_json(folder, "val-000000.tar", "val_L4", b'"item":"I4_F"', b'"item":"I2_B"')
    what = "item I2 is in two splits: train_L2 is train"
    report = check(folder)
    assert (report.problems, report.notes) == ((), (Problem("val-000000.tar", "val_L4", "", what),))


@pytest.mark.parametrize(("ending", "whose"), [("garment.png", "garment"), ("person_256.jpg", "person")])
@pytest.mark.parametrize("how", ["same", "saved-again", "brighter", "other-colour"])
def test_images_in_two_splits(ending: str, whose: str, how: str, folder: Any, check: Check) -> None:
    pixels = cv2.imdecode(
        np.frombuffer(dict(folder.members(FIRST))[f"train_L2.{ending}"], np.uint8), cv2.IMREAD_COLOR
    )  # fmt: skip
    assert pixels is not None
    if how == "saved-again":
        pixels = np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels)[1], cv2.IMREAD_COLOR))
    elif how == "brighter":
        pixels = cv2.add(pixels, np.full_like(pixels, 2))
    elif how == "other-colour":
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    data = cv2.imencode(".png", pixels)[1] if ending.endswith("png") else cv2.imencode(".jpg", pixels)[1]
    folder.replace("val-000000.tar", f"val_L4.{ending}", data.tobytes())
    report = check(folder)
    if how == "other-colour":
        assert report.problems == report.notes == ()
        return
    exact = how == "same" and ending == "garment.png"
    assert report.ok != exact
    (found,) = report.problems if exact else report.notes
    what = f"the {whose}'s image is {'pixel by pixel' if exact else 'nearly'} that of train_L2 of train"
    assert found == Problem("val-000000.tar", "val_L4", "", what)


def test_a_key_in_two_shards(folder: Any, check: Check) -> None:
    files = [(name.replace("L3", "L1"), data) for name, data in folder.members("train-000001.tar")]
    folder.write("train-000001.tar", files)
    assert Problem("train-000001.tar", "train_L1", "", "the key is in train-000000.tar too") in check(folder).problems
