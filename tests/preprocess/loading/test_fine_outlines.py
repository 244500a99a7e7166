"""The outline is placed anew at full size; the rim that shows the background is as thick as their contrast requires."""

from preprocess.conditioning.masks import dilated, eroded
from preprocess.formats.images import Mask
from preprocess.loading.fine_outlines import refined, smooth_lab
from preprocess.loading.plain_background import LEAST, find_garment
from preprocess.synthetic.garments.product_photos import Product, product_photo


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_an_outline_that_is_off_by_a_pixel_is_placed_where_the_colour_changes() -> None:
    photo = product_photo(1, "dark", "grey")
    for rough in (dilated(photo.mask, 1), eroded(photo.mask, 1)):
        assert overlap(refined(smooth_lab(photo.pixels), rough, 1.0).mask, photo.mask) > max(
            0.99, overlap(rough, photo.mask)
        )


def test_the_rim_is_needed_for_dark_cloth_and_not_for_pale() -> None:
    lost = {}
    products: tuple[Product, ...] = ("dark", "white")
    for product in products:
        photo = product_photo(1, product, "grey")
        outline = refined(smooth_lab(photo.pixels), photo.mask, 1.0)
        whole, rimmed = outline.mask, outline.without_rim(1)
        assert not (rimmed & ~whole).any()
        lost[product] = float((whole & ~rimmed).sum()) / float((whole & ~eroded(whole, 1)).sum())
    assert lost["dark"] > 0.5
    assert lost["white"] < 0.2


def test_a_gap_in_shadow_is_no_cloth_and_white_stripes_are_no_gap() -> None:
    shadowed = product_photo(0, "two-piece", "shadowed")
    found = find_garment(shadowed.pixels)
    assert found.confidence >= LEAST
    assert overlap(found.mask, shadowed.mask) > 0.97
    striped = product_photo(0, "plain", "white")
    assert overlap(find_garment(striped.pixels).mask, striped.mask) > 0.97
