import numpy as np
import pytest
from drawn_sets import product

from preprocess.faults import RecordError
from preprocess.loading.plain_background import LEAST, by_colour, find_garment, garment_before
from preprocess.synthetic.garments.garment import Kind
from preprocess.synthetic.garments.product_photos import Ground, Product, product_photo


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("kind", ["top", "dress", "trousers", "shorts"])
def test_a_drawn_garment_is_found_without_its_shadow(kind: Kind) -> None:
    pixels, truth = product(3, kind)
    mask, confidence, _ = find_garment(pixels)
    assert overlap(mask, truth) > 0.97
    assert confidence > 0.95
    assert (mask & ~truth).sum() < 0.003 * truth.sum(), "the background beside it would be seen in Ic"


STRIPED = [(15, "trousers"), (24, "trousers"), (17, "top"), (86, "trousers")]


@pytest.mark.parametrize(("seed", "kind"), STRIPED)
def test_white_stripes_above_a_shadow_are_told_from_it(seed: int, kind: Kind) -> None:
    pixels, truth = product(seed, kind)
    mask, confidence, _ = find_garment(pixels)
    assert confidence >= LEAST
    assert overlap(mask, truth) > 0.97
    rows = np.flatnonzero(truth.any(axis=1))
    assert (mask & ~truth)[rows[-1] - 4 :].sum() < 0.001 * truth.sum(), "the shadow is no cloth"


def on(background: tuple[int, int, int], garment: tuple[int, int, int]) -> np.ndarray:
    """Return a flat garment with a gap and a small print in the background's colour, and a little noise."""
    noise = np.random.default_rng(0).integers(-2, 3, (512, 384, 3))
    pixels = np.full((512, 384, 3), background) + noise
    pixels[100:400, 90:300] = np.array(garment) + noise[100:400, 90:300]
    pixels[200:350, 120:150] = np.array(background) + noise[200:350, 120:150]
    pixels[200:215, 220:235] = background
    return pixels.clip(0, 255).astype(np.uint8)


def test_a_print_is_garment_and_a_gap_is_not() -> None:
    mask, confidence, _ = find_garment(on((245, 245, 245), (30, 60, 160)))
    assert confidence > 0.95
    assert mask[207, 227]
    assert not mask[250, 135]


def test_white_before_white_is_rejected_as_unclear() -> None:
    with pytest.raises(RecordError) as caught:
        garment_before(on((245, 245, 245), (241, 241, 243)), "a_1.jpg")
    assert (caught.value.reason, caught.value.path) == ("unclear-garment", "a_1.jpg")


def test_a_background_that_is_not_plain_is_rejected() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RecordError, match="unclear-garment"):
        garment_before(rng.integers(0, 256, (512, 384, 3)).astype(np.uint8), "a_1.jpg")


def test_nothing_is_rejected() -> None:
    with pytest.raises(RecordError, match="unclear-garment"):
        garment_before(np.full((512, 384, 3), 240, np.uint8), "a_1.jpg")


@pytest.mark.parametrize(("drawn", "ground"), [("pale", "shadowed"), ("white", "grey"), ("two-piece", "white")])
def test_what_its_colour_cannot_tell_is_cut_out_by_its_edges(drawn: Product, ground: Ground) -> None:
    photo = product_photo(1, drawn, ground)
    by_its_colour, sure = by_colour(photo.pixels)
    assert sure < 0.95 or overlap(by_its_colour, photo.mask) < 0.9
    found = find_garment(photo.pixels)
    assert found.method == "grabcut"
    assert found.confidence > 0.95
    assert overlap(found.mask, photo.mask) > 0.96
    assert (find_garment(photo.pixels).mask == found.mask).all(), "the same on every run"


@pytest.mark.parametrize(
    ("seed", "product", "ground"), [(600, "plain", "shadowed"), (601, "plain", "white"), (601, "sheer", "white")]
)
def test_a_garment_found_by_its_colour_has_neither_shadow_nor_holes(
    seed: int, product: Product, ground: Ground
) -> None:
    photo = product_photo(seed, product, ground)
    found = find_garment(photo.pixels)
    assert found.confidence >= LEAST
    assert float((found.mask & photo.mask).sum() / (found.mask | photo.mask).sum()) > 0.97
