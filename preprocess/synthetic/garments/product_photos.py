"""Product photographs that are hard to cut out: pale, sheer, patterned, two-piece, shadowed, on white, grey, gradients.

A drawn garment is laid on another ground; where it is remains known. `PRODUCTS` and `GROUNDS` name the kinds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask, Pixels
from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.drawing.canvas import F32
from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.garments.garment import KINDS, Garment, Kind, Pattern, garment
from preprocess.synthetic.garments.item import draw_item

Product = Literal["plain", "pale", "white", "sheer", "patterned", "dark", "two-piece"]
Ground = Literal["white", "grey", "gradient", "shadowed"]
PRODUCTS: Final[tuple[Product, ...]] = get_args(Product)
GROUNDS: Final[tuple[Ground, ...]] = get_args(Ground)

_SIZE: Final = (384, 512)
"""Width and height at scale 1, half of Dress Code's."""
_WHITE: Final = 255.0


class ProductPhoto(NamedTuple):
    """RGB uint8 (h, w, 3) after JPEG, and the garment's mask (h, w)."""

    pixels: Pixels
    mask: Mask


class _Layer(NamedTuple):
    """A garment's colours (h, w, 3), also around it, and its coverage (h, w) in [0, 1]."""

    colours: F32
    cover: F32


def product_photo(seed: int, product: Product, ground: Ground, scale: int = 1) -> ProductPhoto:
    """Return the photograph of a seed; the same arguments give the same bytes.

    ``scale``: multiplies its size of 384 x 512 pixels; the garment, the ground and the shadow stay the same.
    """
    size = _SIZE[0] * scale, _SIZE[1] * scale
    rng = np.random.default_rng([seed, PRODUCTS.index(product), GROUNDS.index(ground)])
    if product == "two-piece":
        top, shorts = _garment(rng, "plain", "top"), _garment(rng, "plain", "shorts")
        layers = [_laid(top, (0.25, 0.47), size), _laid(shorts, (0.76, 0.4), size)]
    else:
        drawn = _garment(rng, product, KINDS[int(rng.integers(len(KINDS)))])
        layers = [_laid(drawn, (0.5, float(rng.uniform(0.8, 0.94))), size)]
    cover = np.max([layer.cover for layer in layers], axis=0)
    pixels = _ground(rng, ground, size)
    if ground == "shadowed":
        pixels *= _shadow(rng, cover, scale)[..., None]
    for layer in layers:
        opaque = layer.cover * (_veil(rng, layer.cover) if product == "sheer" else 1.0)
        colours = layer.colours * _folds(rng, size)[..., None]
        pixels += (np.minimum(colours, _WHITE) - pixels) * opaque[..., None].astype(np.float32)
    pixels += rng.normal(0, float(rng.uniform(0, 1.2)), pixels.shape).astype(np.float32) * (pixels < _WHITE - 0.5)
    return ProductPhoto(_through_jpeg(pixels, int(rng.integers(80, 97))), cover > 0.5)


def _garment(rng: np.random.Generator, product: Product, kind: Kind) -> Garment:
    drawn = garment(int(rng.integers(1 << 30)), kind)
    if product == "patterned":
        patterns: tuple[Pattern, ...] = ("rows", "columns", "checks", "dots")
        pattern = patterns[int(rng.integers(4))]
        return replace(drawn, pattern=pattern, second=(252, 252, 252) if rng.random() < 0.5 else drawn.second)
    levels: dict[Product, tuple[int, int]] = {"pale": (218, 245), "white": (243, 256), "dark": (8, 45)}
    if product not in levels:
        return drawn
    low, high = levels[product]
    grey = int(rng.integers(low, high))
    spread = {"pale": 14, "white": 3}.get(product, 8)
    base = tuple(int(np.clip(grey + rng.integers(-spread, spread + 1), 0, 255)) for _ in range(3))
    return replace(drawn, base=_rgb(base), second=_rgb(tuple(max(0, value - 6) for value in base)))


def _rgb(values: tuple[int, ...]) -> RGB:
    red, green, blue = values
    return red, green, blue


def _laid(garment: Garment, place: tuple[float, float], size: tuple[int, int]) -> _Layer:
    """Draw the garment; ``place``: its middle's height and its own height, as shares of the image's."""
    drawing = draw_item(garment, back=False)
    inside = (drawing.labels != BACKGROUND).astype(np.float32)
    x, y, width, height = cv2.boundingRect((inside > 0).astype(np.uint8))
    scale = min(place[1] * size[1] / height, 0.92 * size[0] / width)
    move = np.array(
        [[scale, 0, size[0] / 2 - scale * (x + width / 2)], [0, scale, place[0] * size[1] - scale * (y + height / 2)]]
    )
    sharp = cv2.GaussianBlur(inside, (0, 0), max(0.6, 0.5 / scale))
    # Pixels at the drawn edge hold the drawn ground; the cloth's own colours are spread over them.
    core = cv2.erode(inside, np.ones((5, 5)))
    colours = drawing.image.astype(np.float32)
    weight = cv2.GaussianBlur(core, (0, 0), 4.0)
    spread = cv2.GaussianBlur(colours * core[..., None], (0, 0), 4.0) / np.maximum(weight, 1e-4)[..., None]
    colours = np.where((core > 0)[..., None], colours, np.where((weight > 1e-3)[..., None], spread, colours))
    return _Layer(_warped(colours, move, size), np.clip(_warped(sharp, move, size), 0, 1))


def _warped(values: NDArray[np.float32], move: NDArray[np.float64], size: tuple[int, int]) -> F32:
    return np.asarray(cv2.warpAffine(values, move, size, flags=cv2.INTER_AREA), np.float32)


def _ground(rng: np.random.Generator, ground: Ground, size: tuple[int, int]) -> F32:
    width, height = size
    pixels = np.full((height, width, 3), _WHITE, np.float32)
    if ground == "white" or (ground == "shadowed" and rng.random() < 0.6):
        return pixels
    pixels[:] = float(rng.uniform(190, 244)) + rng.uniform(-3, 3, 3).astype(np.float32)
    if ground == "gradient":
        across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        turn, depth = rng.uniform(0, 2 * np.pi), rng.uniform(6, 18)
        radial = 1 - np.hypot(across, down) / 1.4 if rng.random() < 0.5 else across * np.cos(turn) + down * np.sin(turn)
        pixels = np.minimum(pixels + np.float32(depth) * radial[..., None].astype(np.float32), _WHITE)
    return pixels


def _shadow(rng: np.random.Generator, cover: F32, scale: int) -> F32:
    """Return the factor of the light beneath the garment: a soft shadow to one side."""
    move = np.array([[1, 0, scale * rng.uniform(-6, 6)], [0, 1, scale * rng.uniform(2, 9)]])
    size = cover.shape[1], cover.shape[0]
    soft = cv2.GaussianBlur(_warped(cover, move, size), (0, 0), scale * float(rng.uniform(5, 12)))
    factor: F32 = 1 - np.float32(rng.uniform(0.08, 0.3)) * soft
    return factor


def _folds(rng: np.random.Generator, size: tuple[int, int]) -> F32:
    """Return a factor of brightness about 1: broad folds."""
    width, height = size
    coarse = rng.normal(0, 1, (9, 7)).astype(np.float32)
    factor: F32 = 1 + np.float32(0.03) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return factor


def _veil(rng: np.random.Generator, cover: F32) -> F32:
    """Return the opacity of a garment that is sheer in its lower or its upper part, 0.45..0.8."""
    _, y, _, height = cv2.boundingRect((cover > 0.5).astype(np.uint8))
    line = y + height * rng.uniform(0.35, 0.65)
    rows = np.arange(cover.shape[0], dtype=np.float32)[:, None]
    sheer = 0.5 + 0.5 * np.tanh((rows - line) * (0.25 if rng.random() < 0.5 else -0.25))
    opacity: F32 = (1 - sheer * (1 - rng.uniform(0.45, 0.8))).astype(np.float32)
    return np.broadcast_to(opacity, cover.shape)


def _through_jpeg(pixels: F32, quality: int) -> Pixels:
    whole = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(whole, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
