"""The kind of a garment, told by its outline: on drawn garments, and on photographs where they are."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas import Garment
from train.inference.outfits.garment_kind import guess_kind, outline_of
from train.serving.uploads import find_partners, garment_kind


def drawn(aihub: Path) -> list[tuple[Garment, dict[str, object]]]:
    found = []
    for parse in sorted(aihub.rglob("Item-Parse/*_F.json")):
        kind = garment_kind(json.loads(next(aihub.rglob(f"Item-Pose/{parse.name}")).read_bytes()))
        if kind is not None:
            found.append((kind, json.loads(parse.read_bytes())))
    return found


def test_the_kind_of_drawn_garments_is_inferred_from_their_outlines(looks_with_truth: Path) -> None:
    garments = drawn(looks_with_truth)
    assert len(garments) > 20
    wrong = [(kind, told) for kind, parse in garments if (told := guess_kind(shape(parse))) != kind]
    assert len(wrong) <= 0.1 * len(garments), wrong


def shape(parse: dict[str, object]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    outline = outline_of(parse)
    assert outline is not None
    return outline


def test_size_place_and_a_hanger_do_not_matter(shards: Path) -> None:
    for kind, both in find_partners(shards.parent / "aihub").items():
        outline = shape(json.loads(both["garment"].parse.read_bytes()))
        moved = np.pad(outline, ((90, 3), (5, 70)))
        large = cv2.resize(moved.astype(np.uint8), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) > 0
        rows, columns = np.flatnonzero(large.any(axis=1)), np.flatnonzero(large.any(axis=0))
        middle = int(columns.mean())
        large[max(0, rows[0] - 120) : rows[0] + 20, middle - 3 : middle + 3] = True  # a hook
        assert guess_kind(outline) == guess_kind(large) == kind


def test_what_is_no_outline_is_a_top() -> None:
    assert guess_kind(np.zeros((40, 30), np.bool_)) == "upper"
    assert guess_kind(np.ones((1, 1), np.bool_)) in ("upper", "lower", "dress")
    assert outline_of({"image_size": {"width": 0, "height": 0}}) is None
    assert outline_of({"image_size": {"width": 9, "height": 9}, "region1": {"segmentation": [[1, 2, 3]]}}) is None


def test_tops_in_photographs_are_recognised_by_their_masks(real_data: Path) -> None:
    masks = sorted((real_data / "viton-hd").glob("*/cloth-mask/*.jpg"))
    if not masks:
        pytest.skip("no VITON-HD masks")
    told = [guess_kind(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 127) for path in masks]
    assert told.count("upper") >= 0.9 * len(told)
