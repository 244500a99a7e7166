"""Whom and what the page offers: people and garments of a folder of shards, as thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas import GARMENT, PERSON_256, Garment
from train.data import ShardFolder
from train.inference.sampling import Role

MOST_OFFERED: Final = 48
"""People, or garments, of one kind on the page."""
_LOOKED_AT: Final = 1500
"""Samples whose description is read: of a large split some, spread over it."""
_MEMBERS: Final[dict[Role, str]] = {"person": PERSON_256, "garment": GARMENT}
_TYPES: Final[dict[Role, str]] = {"person": "image/jpeg", "garment": "image/png"}


@dataclass(frozen=True)
class Entry:
    """One person or one garment to choose: a sample's position and its name there."""

    position: int
    name: str


@dataclass(frozen=True)
class Offered:
    """The people and garments of one kind; Ia hides another part of the person for each kind."""

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
        """Say whether the page offers this person or garment among those of the kind."""
        return (role, kind, position) in self._known

    def thumbnail(self, role: Role, position: int) -> tuple[bytes, str]:
        """Return a picture as it lies in the shards, 256², and its media type. Raise UserError where it is damaged."""
        return self.shards.read(position, _MEMBERS[role])[0], _TYPES[role]


def read_catalogue(shards: ShardFolder) -> Catalogue:
    """Choose people and garments of each kind, spread over the split, each look and each item once.

    Front views go before others. Raise UserError where a sample's description is damaged.
    """
    step = max(1, len(shards) // _LOOKED_AT)
    found = [(position, shards.sample(position)) for position in range(0, len(shards), step)]
    offered: dict[Garment, Offered] = {}
    for kind in ("upper", "lower", "dress"):
        mine = [(position, sample) for position, sample in found if sample.garment == kind]
        mine = [one for one in mine if one[1].view == "front"] or mine
        people = {sample.look: Entry(position, sample.look) for position, sample in reversed(mine)}
        garments = {sample.item: Entry(position, sample.item) for position, sample in reversed(mine)}
        if mine:
            offered[kind] = Offered(_spread(list(people.values())), _spread(list(garments.values())))
    return Catalogue(shards, offered)


def _spread(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    ordered = sorted(entries, key=lambda entry: entry.position)
    count = min(MOST_OFFERED, len(ordered))
    return tuple(ordered[number * len(ordered) // count] for number in range(count))
