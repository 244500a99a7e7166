"""Masks of garments: cut out of product photographs without one, and stored masks that are not what they should be.

    python benchmarks/garment_masks.py [--garments N] [--scale 2] [--src DIR]

Prints two Markdown tables. The first: of drawn products on several grounds, the share kept, kept with an overlap
(intersection over union) of at least 0.97, kept with less (wrong), and kept with less than 0.9; before (by colour
alone) and now. The second: for each kind of wrong mask, how many are repaired to an overlap of at least 0.9, rejected,
or built wrong; of sound ones, how many are accused. Photographs with masks below --src are held against both.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels, decode
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.loading.garment_masks import garment_mask_of
from preprocess.loading.plain_background import LEAST, by_colour, find_garment
from preprocess.synthetic.garments.product_photos import GROUNDS, PRODUCTS, product_photo

_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
_GOOD = 0.97
_USABLE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--garments", type=int, default=4, help="of each kind on each ground")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--scale", type=int, default=1, help="size of the photographs, in 384 x 512 pixels")
    parser.add_argument("--src", type=Path, default=_DATA / "viton-hd")
    parser.add_argument("--only", choices=("photographs", "masks"))
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.garments)
    if arguments.only != "masks":
        photographs(seeds, arguments.scale)
    if arguments.only != "photographs":
        masks(seeds, arguments.src)


def photographs(seeds: range, scale: int) -> None:
    rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for product in PRODUCTS:
        for ground in GROUNDS:
            for seed in seeds:
                photo = product_photo(seed, product, ground, scale)
                before, sure = by_colour(photo.pixels)
                now = find_garment(photo.pixels)
                row = (overlap(before, photo.mask), sure, overlap(now.mask, photo.mask), now.confidence)
                for title in (product, f"on {ground}", "all"):
                    rows[title].append(row)
    print("| product | | kept | ≥ 0.97 | wrong | < 0.9 | now: kept | ≥ 0.97 | wrong | < 0.9 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for title, found in rows.items():
        numbers = np.array(found)
        print(f"| {title} | {len(numbers)} | {rates(numbers[:, :2])} | {rates(numbers[:, 2:])} |")


def rates(found: NDArray[np.float64]) -> str:
    overlaps, kept = found[:, 0], found[:, 1] >= LEAST
    shares = (kept, kept & (overlaps >= _GOOD), kept & (overlaps < _GOOD), kept & (overlaps < _USABLE))
    return " | ".join(f"{share.mean():.1%}" for share in shares)


def masks(seeds: range, folder: Path) -> None:
    cases = [*drawn(seeds), *real(folder)]
    print("\n| stored mask | | as it is | repaired | rejected | wrong |")
    print("|---|---|---|---|---|---|")
    for title, spoil in KINDS.items():
        counts = {"as it is": 0, "repaired": 0, "rejected": 0, "wrong": 0}
        for number, (pixels, mask) in enumerate(cases):
            counts[outcome(pixels, mask, spoil(mask, pixels, np.random.default_rng(number)))] += 1
        print(f"| {title} | {len(cases)} | " + " | ".join(str(count) for count in counts.values()) + " |")


def outcome(pixels: Pixels, truth: Mask, stored: bytes) -> str:
    try:
        parse = garment_mask_of(read_stored_mask(stored, "mask"), pixels, "mask")
    except RecordError:
        return "rejected"
    if overlap(parse.mask(), truth) < _USABLE:
        return "wrong"
    return "repaired" if parse.faults else "as it is"


def drawn(seeds: range) -> Iterator[tuple[Pixels, Mask]]:
    for product in PRODUCTS:
        for ground in GROUNDS:
            for seed in seeds:
                yield product_photo(seed, product, ground)


def real(folder: Path) -> Iterator[tuple[Pixels, Mask]]:
    for path in sorted(folder.glob("*/cloth/*.jpg")):
        pixels, _ = decode(path.read_bytes(), path.name, None)
        grey = cv2.imread(str(path.parent.with_name("cloth-mask") / path.name), cv2.IMREAD_GRAYSCALE)
        if grey is not None:
            yield pixels, np.asarray(grey) >= 128


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum()) / max(1, int((one | other).sum()))


def stored(image: NDArray[Any], suffix: str = ".png", *flags: int) -> bytes:
    return cv2.imencode(suffix, np.ascontiguousarray(image, np.uint8), list(flags))[1].tobytes()


def levels(mask: Mask) -> NDArray[np.uint8]:
    return mask.astype(np.uint8) * 255


def otsu(_: Mask, pixels: Pixels, rng: np.random.Generator) -> bytes:
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (5, 5), 0)
    return stored(cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1])


def torn(mask: Mask, _: Pixels, rng: np.random.Generator) -> bytes:
    """Holes over a tenth of the garment."""
    spoilt = mask.copy()
    rows, columns = np.nonzero(mask)
    radius = max(3, round(0.02 * max(mask.shape)))
    while spoilt.sum() > 0.88 * mask.sum():
        at = int(rng.integers(len(rows)))
        disc = np.zeros(mask.shape, np.uint8)
        cv2.circle(disc, (int(columns[at]), int(rows[at])), radius, 1, -1)
        spoilt &= disc == 0
    return stored(levels(spoilt))


def striped(mask: Mask, _: Pixels, rng: np.random.Generator) -> bytes:
    rows = np.arange(mask.shape[0])[:, None]
    period = max(6, mask.shape[0] // 40)
    return stored(levels(mask & (rows % period >= period // 3)))


def scraps(mask: Mask, _: Pixels, rng: np.random.Generator) -> bytes:
    coarse = rng.random((mask.shape[0] // 16, mask.shape[1] // 16)).astype(np.float32)
    kept = cv2.resize(coarse, mask.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0.35
    return stored(levels(mask & kept))


def moved(mask: Mask, across: float, down: float) -> Mask:
    height, width = mask.shape
    move = np.array([[1, 0, across * width], [0, 1, down * height]])
    return np.asarray(cv2.warpAffine(mask.view(np.uint8), move, (width, height)), np.uint8) > 0


def another(mask: Mask, _: Pixels, rng: np.random.Generator) -> bytes:
    other = product_photo(int(rng.integers(1 << 20)), "plain", "white").mask.view(np.uint8)
    return stored(levels(cv2.resize(other, mask.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0))


def channels(mask: Mask, *order: int) -> NDArray[np.uint8]:
    """Return the mask in some of four channels (1), 255 in others (0)."""
    return np.dstack([levels(mask) if one else np.full(mask.shape, 255, np.uint8) for one in order])


KINDS: dict[str, Callable[[Mask, Pixels, np.random.Generator], bytes]] = {
    "sound, PNG": lambda mask, _, rng: stored(levels(mask)),
    "sound, JPEG": lambda mask, _, rng: stored(levels(mask), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 90),
    "inverted": lambda mask, _, rng: stored(levels(~mask), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 90),
    "Otsu's threshold of the photograph": otsu,
    "in alpha, white before": lambda mask, _, rng: stored(channels(mask, 0, 0, 0, 1)),
    "alpha first": lambda mask, _, rng: stored(channels(mask, 0, 0, 1, 0)),
    "cut-out with alpha": lambda mask, pixels, rng: stored(
        np.dstack([np.where(mask[..., None], pixels[..., ::-1], 0), levels(mask)])
    ),
    "cut-out on black": lambda mask, pixels, rng: stored(np.where(mask[..., None], pixels[..., ::-1], 0)),
    "levels 0 and 1": lambda mask, _, rng: stored(mask.astype(np.uint8)),
    "levels 60 and 180": lambda mask, _, rng: stored(60 + mask * np.uint8(120)),
    "smoothed": lambda mask, _, rng: stored(cv2.GaussianBlur(levels(mask), (0, 0), 6)),
    "the whole frame": lambda mask, _, rng: stored(np.full(mask.shape, 255)),
    "a box": lambda mask, _, rng: stored(levels(boxed(mask))),
    "holes": torn,
    "stripes": striped,
    "scraps": scraps,
    "moved by 8 % across": lambda mask, _, rng: stored(levels(moved(mask, 0.08, 0))),
    "moved by 8 % down": lambda mask, _, rng: stored(levels(moved(mask, 0, 0.08))),
    "upside down": lambda mask, _, rng: stored(levels(mask[::-1])),
    "of another garment": another,
}


def boxed(mask: Mask) -> Mask:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = np.zeros_like(mask)
    box[y : y + height, x : x + width] = True
    return box


if __name__ == "__main__":
    main()
