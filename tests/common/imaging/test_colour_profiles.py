"""Colours go to sRGB and come back; a profile that cannot be used changes nothing."""

from __future__ import annotations

import numpy as np
from PIL import Image
from swapped_colours import PROFILE, SWAPPED

from common.imaging.colour_profiles import from_srgb, in_srgb

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_there_and_back() -> None:
    converted = in_srgb(Image.fromarray(PIXELS), SWAPPED)
    assert converted is not None
    assert np.abs(np.asarray(converted)[..., ::-1].astype(int) - PIXELS).max() <= 2
    assert np.abs(from_srgb(np.asarray(converted), SWAPPED).astype(int) - PIXELS).max() <= 2


def test_a_profile_that_cannot_be_used_changes_nothing() -> None:
    assert in_srgb(Image.fromarray(PIXELS), None) is None
    assert in_srgb(Image.fromarray(PIXELS), b"no profile") is None
    assert in_srgb(Image.new("RGBA", (2, 2)), PROFILE) is None
    assert np.array_equal(from_srgb(PIXELS, b"no profile"), PIXELS)
