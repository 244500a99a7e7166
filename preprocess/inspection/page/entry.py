"""What the page knows of every sample, and of every shard: small, since there may be a hundred thousand."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.inspection.verification.shard_check import Facts
from schemas import Garment, Pairing, Reject, Split, View


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample in a few numbers."""

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
    """Side of the garment's."""
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
    """A sample that could not be read whole, and why; ``key`` is "" where it is a whole shard."""

    shard: str
    key: str
    problem: str


@dataclass(frozen=True)
class ShardScan:
    """What was found in one shard; ``facts`` has one row for each of the entries, in order."""

    name: str
    split: Split
    entries: tuple[Entry, ...]
    facts: Facts
    rejects: tuple[Reject, ...]
    damages: tuple[Damage, ...]
