"""A garment's mask is held against the product photograph: each wrong kind is repaired or rejected by name."""

import contextlib

import cv2
import numpy as np
import pytest
from drawn_sets import product

from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.loading.garment_masks import garment_mask_of
from preprocess.synthetic.garments.product_photos import GROUNDS, Ground, product_photo


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def halved() -> tuple[Pixels, Mask]:
    pixels, mask = product(3, "top")
    small = cv2.resize(mask.view(np.uint8), (384, 512), interpolation=cv2.INTER_NEAREST) > 0
    return np.asarray(cv2.resize(pixels, (384, 512), interpolation=cv2.INTER_AREA), np.uint8), small


def file(image: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(image, np.uint8))[1])


def grey(mask: Mask) -> np.ndarray:
    return mask.astype(np.uint8) * 255


def outcome(image: np.ndarray, suffix: str = ".png") -> tuple[tuple[str, ...], float]:
    pixels, mask = halved()
    parse = garment_mask_of(read_stored_mask(file(image, suffix), "a.png"), pixels, "a.png")
    return tuple(fault.value for fault in parse.faults), overlap(parse.mask(), mask)


def test_a_sound_mask_is_returned_as_it_is() -> None:
    _, mask = halved()
    assert outcome(grey(mask)) == ((), 1.0)
    faults, same = outcome(grey(mask), ".jpg")
    assert faults == ()
    assert same > 0.99


def planes(mask: Mask, place: int) -> np.ndarray:
    return np.dstack([grey(mask) if number == place else np.full(mask.shape, 255, np.uint8) for number in range(4)])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_inverted_mask_is_inverted(suffix: str) -> None:
    faults, same = outcome(grey(~halved()[1]), suffix)
    assert faults == ("inverted-mask",)
    assert same > 0.99


@pytest.mark.parametrize("place", [3, 2], ids=["alpha", "alpha first"])
def test_a_mask_in_one_channel_is_read_from_there(place: int) -> None:
    assert outcome(planes(halved()[1], place)) == (("mask-channel",), 1.0)


def test_a_cut_out_is_read_by_its_alpha_or_its_ground() -> None:
    pixels, mask = halved()
    shown = np.where(mask[..., None], pixels[..., ::-1], 0)
    assert outcome(np.dstack([shown, grey(mask)])) == (("mask-channel",), 1.0)
    faults, same = outcome(shown)
    assert faults in (("mask-channel",), ("recomputed-mask",))
    assert same > 0.97


@pytest.mark.parametrize(("low", "high"), [(0, 1), (60, 180), (0, 100)])
def test_other_levels_are_divided_between_them(low: int, high: int) -> None:
    assert outcome(np.where(halved()[1], high, low)) == (("grey-mask",), 1.0)


def striped(mask: Mask) -> Mask:
    return np.asarray(mask & (np.arange(mask.shape[0])[:, None] % 12 >= 4), np.bool_)


def holed(mask: Mask) -> Mask:
    rows, columns = np.indices(mask.shape)
    return np.asarray(mask & (np.hypot(rows % 40 - 20, columns % 40 - 20) > 9), np.bool_)


def moved(mask: Mask) -> Mask:
    return np.roll(mask, 32, axis=1)


def upside_down(mask: Mask) -> Mask:
    return mask[::-1]


def frame(mask: Mask) -> Mask:
    return np.ones_like(mask)


def box(mask: Mask) -> Mask:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    filled = np.zeros_like(mask)
    filled[y : y + height, x : x + width] = True
    return filled


WRONG = [striped, holed, moved, upside_down, frame, box]


@pytest.mark.parametrize("spoil", WRONG)
def test_a_mask_that_does_not_fit_is_made_anew(spoil) -> None:  # type: ignore[no-untyped-def]
    faults, same = outcome(grey(spoil(halved()[1])))
    assert faults == ("recomputed-mask",)
    assert same > 0.97


def unclear(mask: Mask) -> Pixels:
    """Return a photograph of which nothing can be told."""
    noise = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3))
    return noise.astype(np.uint8)


def test_without_a_clear_photograph_cracks_are_closed_and_a_frame_is_rejected() -> None:
    _, mask = halved()
    parse = garment_mask_of(read_stored_mask(file(grey(striped(mask))), "a.png"), unclear(mask), "a.png")
    assert parse.faults == ("torn-mask",)
    assert overlap(parse.mask(), mask) > 0.95
    with pytest.raises(RecordError, match="wrong-mask"):
        garment_mask_of(read_stored_mask(file(grey(frame(mask))), "a.png"), unclear(mask), "a.png")


def cracked(mask: Mask, width: int, upright: bool) -> Mask:
    """Return the mask with three cracks through it."""
    x, y, across, down = cv2.boundingRect(mask.view(np.uint8))
    torn = mask.copy()
    for part in (0.3, 0.5, 0.72):
        at = round(x + part * across) if upright else round(y + part * down)
        torn[(slice(None), slice(at, at + width)) if upright else slice(at, at + width)] = False
    return torn


@pytest.mark.parametrize("upright", [False, True])
def test_narrow_cracks_are_closed_and_noted(upright: bool) -> None:
    pixels, mask = product(411, "top")
    for width in (1, 2, 4):
        stored = read_stored_mask(file(grey(cracked(mask, width, upright))), "a.png")
        parse = garment_mask_of(stored, pixels, "a.png")
        assert parse.faults == ("torn-mask",)
        assert overlap(parse.mask(), mask) > 0.998


def test_a_narrow_gap_that_shows_the_background_is_no_crack() -> None:
    pixels, mask = product(411, "trousers")
    x, y, across, down = cv2.boundingRect(mask.view(np.uint8))
    gap = np.zeros_like(mask)
    gap[y + down // 2 : y + down, x + across // 4 : x + across // 4 + 8] = True
    shown = pixels.copy()
    shown[gap] = np.median(pixels[:20].reshape(-1, 3), axis=0)
    gapped = np.asarray(mask & ~gap, np.bool_)
    assert garment_mask_of(read_stored_mask(file(grey(gapped)), "a.png"), shown, "a.png").faults == ()


def test_a_sound_mask_without_the_shadow_under_its_hem_is_not_accused() -> None:
    for seed in (411, 415):
        pixels, mask = product(seed, "trousers")
        stored = read_stored_mask(file(grey(mask)), "a.png")
        assert garment_mask_of(stored, white(pixels, mask), "a.png").faults == ()


def white(pixels: Pixels, mask: Mask) -> Pixels:
    """Return the photograph with cloth in nearly the background's colour."""
    pale = np.clip(pixels.astype(np.float32) * 0.08 + (226, 225, 221), 0, 255).astype(np.uint8)
    return np.where(mask[..., None], pale, pixels)


def test_sound_masks_of_faint_products_are_not_accused() -> None:
    for ground in GROUNDS:
        photo = product_photo(1, "white", ground)
        stored = read_stored_mask(file(grey(photo.mask)), "a.png")
        assert garment_mask_of(stored, photo.pixels, "a.png").faults == ()


@pytest.mark.parametrize("ground", ["white", "grey"])
def test_a_wrong_mask_of_a_faint_product_is_not_believed(ground: Ground) -> None:
    photo = product_photo(2, "white", ground)
    other = product_photo(1, "plain", "white").mask
    for wrong in (moved(photo.mask), upside_down(photo.mask), other):
        stored = read_stored_mask(file(grey(wrong)), "a.png")
        with contextlib.suppress(RecordError):
            parse = garment_mask_of(stored, photo.pixels, "a.png")
            assert parse.faults == ("recomputed-mask",)
            assert overlap(parse.mask(), photo.mask) > 0.9


def test_an_empty_mask_is_named() -> None:
    with pytest.raises(RecordError, match="empty-parse"):
        read_stored_mask(file(np.zeros((20, 20))), "a.png")
    with pytest.raises(RecordError, match="bad-parse"):
        read_stored_mask(b"", "a.png")


def test_a_mask_that_is_cut_short_is_named() -> None:
    with pytest.raises(RecordError, match="bad-parse"):
        read_stored_mask(file(grey(halved()[1]), ".jpg")[:200], "a.jpg")
