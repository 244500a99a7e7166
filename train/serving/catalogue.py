"""The people and garments that the page offers, from a folder of shards, as thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas import GARMENT, PERSON_256, Garment, ImageFormat
from train.data import ShardFolder
from train.inference.sampling import Role

MAX_OFFERED: Final = 48
"""Maximum number of people, and of garments, per kind on the page."""
_MAX_READ: Final = 1500
"""Maximum number of samples whose metadata is read, spread over the split."""
_MEMBERS: Final[dict[Role, str]] = {"person": PERSON_256, "garment": GARMENT}
_TYPES: Final[dict[ImageFormat, str]] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True)
class Entry:
    """One person or one garment to choose: a sample's position and the look's or item's id."""

    position: int
    name: str


@dataclass(frozen=True)
class Offered:
    """The people and garments of one kind; each kind has its own Ia."""

    person: tuple[Entry, ...]
    garment: tuple[Entry, ...]


class Catalogue:
    """What can be chosen, by kind of garment, in the order upper, lower, dress."""

    def __init__(self, shards: ShardFolder, offered: dict[Garment, Offered]) -> None:
        self.shards = shards
        self.offered = offered
        self._known = {
            (role, kind, entry.position)
            for kind, some in offered.items()
            for role in _MEMBERS
            for entry in getattr(some, role)
        }

    def has(self, role: Role, kind: str, position: int) -> bool:
        """Return whether the page offers this person or garment for the kind."""
        return (role, kind, position) in self._known

    def thumbnail(self, role: Role, position: int) -> tuple[bytes, str]:
        """Return an image as stored in the shards, and its media type. Raise UserError if it is damaged."""
        stored = self.shards.manifest.configuration.image_format if role == "person" else "png"
        return self.shards.read(position, _MEMBERS[role])[0], _TYPES[stored]


def read_catalogue(shards: ShardFolder) -> Catalogue:
    """Choose people and garments of each kind, spread over the split, each look and each item once.

    Front views are preferred. Raise UserError if a sample's metadata is damaged.
    """
    step = max(1, len(shards) // _MAX_READ)
    samples = [(position, shards.sample(position)) for position in range(0, len(shards), step)]
    offered: dict[Garment, Offered] = {}
    for kind in ("upper", "lower", "dress"):
        mine = [(position, sample) for position, sample in samples if sample.garment == kind]
        mine = [one for one in mine if one[1].view == "front"] or mine
        people = {sample.look: Entry(position, sample.look) for position, sample in reversed(mine)}
        garments = {sample.item: Entry(position, sample.item) for position, sample in reversed(mine)}
        if mine:
            offered[kind] = Offered(_spread(list(people.values())), _spread(list(garments.values())))
    return Catalogue(shards, offered)


def _spread(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    ordered = sorted(entries, key=lambda entry: entry.position)
    count = min(MAX_OFFERED, len(ordered))
    return tuple(ordered[number * len(ordered) // count] for number in range(count))
