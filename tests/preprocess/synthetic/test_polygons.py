"""Polygons filled again give the label map they were traced from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.drawing.polygons import fill, region_polygons
from preprocess.synthetic.garments.garment import garment
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import pose

KERNEL = np.ones((3, 3), np.uint8)


def _assert_same_within_a_pixel(labels: U8) -> None:
    for label in np.unique(labels):
        if label == BACKGROUND:
            continue
        region = (labels == label).astype(np.uint8)
        filled = fill(region_polygons(labels, int(label)), *labels.shape)
        assert not (filled & (cv2.dilate(region, KERNEL) == 0)).any()
        assert not ((cv2.erode(region, KERNEL) == 1) & ~filled).any()


@pytest.mark.parametrize("yaw", [0.0, 40.0, 90.0, 168.0])
def test_round_trip_of_worn_images(yaw: float) -> None:
    outfit = [garment(3, "outer"), garment(3, "top"), garment(3, "trousers")]
    _assert_same_within_a_pixel(draw_look(person(3), pose(8), yaw, outfit).labels)


@pytest.mark.parametrize("back", [False, True])
def test_round_trip_of_product_images(back: bool) -> None:
    _assert_same_within_a_pixel(draw_item(garment(2, "top"), back).labels)


def test_ring_with_two_holes_is_cut_into_pieces_without_holes() -> None:
    labels = np.full((90, 120), BACKGROUND, np.uint8)
    labels[10:80, 10:110] = 9
    labels[30:50, 30:50] = 14
    labels[40:60, 70:90] = BACKGROUND
    polygons = region_polygons(labels, 9)
    assert len(polygons) >= 3
    np.testing.assert_array_equal(fill(polygons, 90, 120), labels == 9)


@pytest.mark.parametrize("height", [1, 2, 9])
def test_slivers_and_single_pixels_are_followed_too(height: int) -> None:
    labels = np.full((40, 60), BACKGROUND, np.uint8)
    labels[20 : 20 + height, 30] = labels[5, 5:20] = 7
    polygons = region_polygons(labels, 7)
    assert all(len(polygon) >= 3 for polygon in polygons)
    np.testing.assert_array_equal(fill(polygons, 40, 60), labels == 7)


def test_region_in_two_pieces_and_absent_region() -> None:
    labels = np.full((40, 60), BACKGROUND, np.uint8)
    labels[5:20, 5:20] = labels[10:30, 40:50] = 7
    assert len(region_polygons(labels, 7)) == 2
    assert region_polygons(labels, 8) == []


def test_points_are_floats_and_polygons_are_open() -> None:
    labels = np.full((40, 60), BACKGROUND, np.uint8)
    labels[5:20, 5:20] = 7
    (polygon,) = region_polygons(labels, 7)
    assert all(isinstance(value, float) for point in polygon for value in point)
    assert polygon[0] != polygon[-1]
    assert len(polygon) == 4
