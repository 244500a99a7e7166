"""Per-sample and per-shard data of the page; kept small, since there may be a hundred thousand samples."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.inspection.verification.shard_check import LeakageFacts
from schemas import Garment, Pairing, Reject, Split, View


@dataclass(frozen=True, slots=True)
class Entry:
    """Summary of one sample."""

    key: str
    shard: str
    split: Split
    garment: Garment
    view: View
    pairing: Pairing
    person_path: str
    product_path: str
    person_crop: int
    """Side of the person's crop in pixels of the source image."""
    product_crop: int
    """Side of the garment's crop."""
    person_size: int
    """Longer side of the box around the known keypoints of Jp, in pixels of the source image."""
    beyond: float
    """Share of the person's crop, in [0, 1], that lies outside of the image."""
    hidden: float
    """Share of Ia that is hidden."""
    shown: float
    """Share of Ic that is garment."""
    jp: int
    """Which keypoints of Jp are known: bit n for slot n."""
    jg: int
    """Those of Jg."""
    estimated: bool
    """Whether a pose or a parse was estimated by a network."""
    repaired: tuple[str, ...]


@dataclass(frozen=True)
class Damage:
    """A sample that could not be fully read, and why; ``key`` is "" for a whole shard."""

    shard: str
    key: str
    problem: str


@dataclass(frozen=True)
class ShardScan:
    """Content of one shard; ``facts`` has one row for each entry, in order."""

    name: str
    split: Split
    entries: tuple[Entry, ...]
    facts: LeakageFacts
    rejects: tuple[Reject, ...]
    damages: tuple[Damage, ...]
