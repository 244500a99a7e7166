import numpy as np
import pytest

from preprocess.conditioning.masks import box_of, dilated, eroded, subsampled


@pytest.mark.parametrize(("margin", "expected"), [(0, (3, 5, 4, 8)), (2, (1, 7, 2, 9)), (50, (0, 9, 0, 9))])
def test_the_box_around_a_mask_stays_inside_the_image(margin: int, expected: tuple[int, ...]) -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[3:5, 4:8] = True
    box = box_of(mask, margin)
    assert box is not None
    assert (box[0].start, box[0].stop, box[1].start, box[1].stop) == expected


def test_an_empty_mask_has_no_box() -> None:
    assert box_of(np.zeros((4, 5), np.bool_), 3) is None


def test_growing_and_shrinking() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[4, 4] = True
    grown = dilated(mask, 2)
    assert grown[4, 2:7].all()
    assert not grown[4, [1, 7]].any()
    assert not grown[2, 2]
    assert eroded(grown, 2).sum() == 1
    assert eroded(np.ones((5, 5), np.bool_), 2).all()


@pytest.mark.parametrize("shape", [(9, 11), (12, 6), (2, 1)])
def test_thinning_takes_every_third_pixel_of_every_third_row(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    mask = picture[..., 0] > 99
    few, (few_of_mask,) = subsampled(picture, (mask,), 3)
    rows, columns = (max(1, size // 3) for size in shape)
    np.testing.assert_array_equal(few, picture[::3, ::3][:rows, :columns])
    np.testing.assert_array_equal(few_of_mask, mask[::3, ::3][:rows, :columns])
