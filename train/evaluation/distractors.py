"""The garments among which a worn one has to be recognised: drawn at random, and the nearest in mean colour."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from schemas import GARMENT, MID_GREY, Sample
from train.data import ShardFolder
from train.data.shards import Pixels

_THUMBNAIL = 32
"""Side of the thumbnails that are compared, in pixels."""
SAME = 10.0
"""Garments whose thumbnails differ by less, as root mean square of 255 levels, are one product under two names. Of 139
drawn tops, three pairs look the same and differ by 2 to 6; the next, with another print, by 17."""


@dataclass(frozen=True)
class Product:
    """A garment of the split, as one of its samples shows it."""

    position: int
    name: str
    """The item, without the side that the photograph shows"""
    look: str
    thumbnail: NDArray[np.float32]
    """Ic, cropped to the garment, (32, 32, 3)"""
    lab: NDArray[np.float32]
    """Mean colour over the garment's pixels, in CIE L*a*b*"""
    rgb: Pixels
    """The same in RGB, (3,)"""


@dataclass(frozen=True)
class Wearer:
    """A person, the garment that they wear, and what it is compared with: K - 1 others each."""

    own: Product
    others: tuple[Product, ...]
    near: tuple[Product, ...]


@dataclass(frozen=True)
class Wearers:
    """Whom to dress in what."""

    wearers: tuple[Wearer, ...]
    garments: dict[str, int]
    """Kind of garment → number of products of the split"""
    kinds: dict[str, int]
    """Kind of garment → number of people"""
    too_few: dict[str, int]
    """Kinds that are excluded, since the split has fewer than K products → how many it has"""


def choose_wearers(
    shards: ShardFolder, people: int, k: int, seed: int, progress: Callable[[int, int], None]
) -> Wearers:  # fmt: skip
    """Choose ``people`` of the split, spread evenly, and for each ``k`` - 1 others twice: drawn, and near in colour.

    Others are garments of the same kind, shown in the same setting (product photograph or view), of other products and
    other looks, no two of one product. They are ranked by a digest of seed, person's key and garment's key: so they
    depend on neither the other people nor the order of samples. Raise UserError if no kind has ``k`` products.
    """
    by_look: dict[str, list[tuple[int, Sample]]] = {}
    groups: dict[tuple[str, str], dict[str, tuple[int, Sample]]] = {}
    for position, sample in _fronts(shards):
        by_look.setdefault(sample.look, []).append((position, sample))
        groups.setdefault(_group(sample), {}).setdefault(product_name(sample), (position, sample))
    places = {position for group in groups.values() if len(group) >= k for position, _ in group.values()}
    wearers = _spread(shards, by_look, {key for key, group in groups.items() if len(group) >= k}, people, seed)
    places |= {position for position, _ in wearers}
    products = _products(shards, sorted(places), progress)
    chosen: list[tuple[str, Wearer]] = []
    for position, sample in wearers:
        own = products[position]
        others = [products[place] for place, _ in groups[_group(sample)].values()]
        key = shards.keys[position]
        drawn = sorted(others, key=lambda each: _digest(seed, key, shards.keys[each.position]))
        near = sorted(others, key=lambda each: float(np.square(each.lab - own.lab).sum()))
        wearer = Wearer(own, _distinct(own, drawn, k - 1), _distinct(own, near, k - 1))
        if len(wearer.others) == k - 1:
            chosen.append((sample.garment, wearer))
    counts: Counter[str] = Counter()
    for (kind, _), group in groups.items():
        counts[kind] = max(counts[kind], len(group))
    kinds: Counter[str] = Counter(kind for kind, _ in chosen)
    if not chosen:
        raise UserError(_too_few(shards, k, counts))
    too_few = {kind: count for kind, count in counts.items() if not kinds[kind] and count < k}
    return Wearers(tuple(wearer for _, wearer in chosen), dict(counts), dict(kinds), too_few)


def product_name(sample: Sample) -> str:
    """Return the sample's item without the side of the product photograph: front and back are one product."""
    return sample.item.removesuffix("_F").removesuffix("_B") if sample.pairing == "item" else sample.item


def mean_colour(Ic: Pixels) -> Pixels:
    """Return the mean colour (3,) of the garment in Ic; mid-grey if there is none."""
    garment = Ic[(Ic != MID_GREY).any(axis=2)]
    return np.asarray(np.rint(garment.mean(axis=0)) if len(garment) else np.full(3, MID_GREY), np.uint8)


def shuffled(shards: ShardFolder, wearer: Wearer, seed: int) -> list[Product]:
    """Return the wearer's garment and all others, each once, in an order that does not tell which one is worn."""
    key = shards.keys[wearer.own.position]
    unique = {product.position: product for product in (wearer.own, *wearer.others, *wearer.near)}
    return sorted(unique.values(), key=lambda each: _digest(seed, f"{key} order", shards.keys[each.position]))


def _fronts(shards: ShardFolder) -> list[tuple[int, Sample]]:
    samples = [(position, shards.sample(position)) for position in range(len(shards))]
    return [(position, sample) for position, sample in samples if sample.view == "front"] or samples


def _group(sample: Sample) -> tuple[str, str]:
    return sample.garment, sample.pairing


def _spread(
    shards: ShardFolder,
    by_look: dict[str, list[tuple[int, Sample]]],
    groups: set[tuple[str, str]],
    people: int,
    seed: int,
) -> list[tuple[int, Sample]]:
    """Return one worn sample of each of ``people`` looks, spread evenly over those that have one in ``groups``."""
    looks = []
    for samples in by_look.values():
        usable = [(position, sample) for position, sample in samples if _group(sample) in groups and sample.worn]
        if usable:
            looks.append(min(usable, key=lambda each: _digest(seed, "person", shards.keys[each[0]])))
    count = min(people, len(looks))
    return [looks[number * len(looks) // count] for number in range(count)]


def _products(
    shards: ShardFolder, places: list[int], progress: Callable[[int, int], None]
) -> dict[int, Product]:  # fmt: skip
    products = {}
    for number, position in enumerate(places):
        if number % 64 == 0:
            progress(number, len(places))
        products[position] = _product(shards, position)
    progress(len(places), len(places))
    return products


def _product(shards: ShardFolder, position: int) -> Product:
    sample, Ic = shards.sample(position), shards.image(position, GARMENT)
    rgb = mean_colour(Ic)
    lab = cv2.cvtColor((rgb[None, None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]
    rows, columns = np.nonzero((Ic != MID_GREY).any(axis=2))
    if len(rows):
        Ic = Ic[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    small = cv2.resize(Ic, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Product(position, product_name(sample), sample.look, small, np.asarray(lab), rgb)


def _distinct(own: Product, candidates: Iterable[Product], count: int) -> tuple[Product, ...]:
    """Return the first ``count`` candidates that are neither the own product nor one that is already among them."""
    taken: list[Product] = []
    for candidate in candidates:
        if len(taken) == count:
            break
        if candidate.look != own.look and not any(_same(candidate, each) for each in (own, *taken)):
            taken.append(candidate)
    return tuple(taken)


def _same(one: Product, other: Product) -> bool:
    difference = float(np.sqrt(np.square(one.thumbnail - other.thumbnail).mean()))
    return one.name == other.name or difference < SAME


def _digest(seed: int, person: str, garment: str) -> bytes:
    return hashlib.blake2b(f"{seed}\n{person}\n{garment}".encode(), digest_size=16).digest()


def _too_few(shards: ShardFolder, k: int, counts: Counter[str]) -> str:
    have = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return (
        f"--retrieval {k}: the split {shards.split} of {shards.folder} has too few different garments of one kind "
        f"({have}); give a smaller --retrieval, try --split train, or build shards from more data"
    )
