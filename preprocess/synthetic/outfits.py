"""Looks and items of a set (the people, their poses and outfits), all derived from one seed.

Look k is a function of the seed and k only, so a larger set begins with the smaller one. Every fifth look is of the
validation split; the two splits share neither people nor garments.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

from preprocess.synthetic.garments.garment import KINDS, Garment, Kind, garment
from preprocess.synthetic.garments.varied_garments import varied_garment
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.people.person import Person, person
from preprocess.synthetic.people.pose import FRAMES, Pose, pose
from preprocess.synthetic.people.varied_people import varied_person, varied_pose

SCHEMA: Final = "tryon-cascade/drawn/1"
Split = Literal["train", "val"]
SPLITS: Final[tuple[Split, Split]] = get_args(Split)
Variety = Literal["easy", "varied"]
VARIETIES: Final[tuple[Variety, Variety]] = get_args(Variety)
VALIDATION_EVERY: Final = 5
OUTFITS: Final[tuple[tuple[float, tuple[Kind, ...]], ...]] = (
    (0.34, ("top", "trousers")),
    (0.17, ("top", "skirt")),
    (0.15, ("top", "shorts")),
    (0.18, ("dress",)),
    (0.10, ("outer", "top", "trousers")),
    (0.06, ("outer", "top", "skirt")),
)
"""(share, kinds of garments) of the looks."""


@dataclass(frozen=True)
class Item:
    """A garment with its id in the set."""

    id: str
    kind: Kind
    seed: int
    split: Split
    variety: Variety = "easy"

    def garment(self) -> Garment:
        """Return the garment."""
        return (garment if self.variety == "easy" else varied_garment)(self.seed, self.kind)


@dataclass(frozen=True)
class Look:
    """A person in a pose and an outfit, on a turntable."""

    id: str
    split: Split
    person: int
    """Seed of the person"""
    pose: int
    """Seed of the pose"""
    items: tuple[str, ...]
    """Ids of the garments worn"""
    variety: Variety = "easy"

    def wearer(self) -> Person:
        """Return the person."""
        return (person if self.variety == "easy" else varied_person)(self.person)

    def stance(self) -> Pose:
        """Return the pose."""
        return (pose if self.variety == "easy" else varied_pose)(self.pose)


@dataclass(frozen=True)
class Plan:
    """All looks and items of a set, in order of their first appearance."""

    seed: int
    looks: tuple[Look, ...]
    items: dict[str, Item]
    variety: Variety = "easy"

    def wearing(self, look: Look) -> dict[str, str | None]:
        """Return a look's row of winfo."""
        by_kind = {self.items[item].kind: item for item in look.items}
        top = by_kind.get("dress") or by_kind.get("top")
        outer = by_kind.get("outer")
        lower = next((by_kind[kind] for kind in by_kind if kind in ("trousers", "shorts", "skirt")), None)
        return {
            "wearing": f"{look.id}_000.jpg",
            "hat": None,
            "main_top": outer or top,
            "inner_top": top if outer else None,
            "bottom": lower,
            "shoes": None,
        }

    def document(self) -> dict[str, Any]:
        """Return drawn.json: enough to draw any person of the set in any garment of it."""
        return {
            "schema": SCHEMA,
            "seed": self.seed,
            # The easy set's plan is what it was before there was another.
            **({} if self.variety == "easy" else {"variety": self.variety}),
            "looks": len(self.looks),
            "frames": FRAMES,
            "worn": [_row(look) for look in self.looks],
            "items": [_row(item) for item in self.items.values()],
        }


def _row(entry: Look | Item) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name != "variety"}


class _Wardrobe:
    """Assigns one split's garments of a kind to looks: each to one to three consecutive looks."""

    def __init__(self, seed: int, split: Split, kind: Kind, variety: Variety) -> None:
        self.variety: Variety = variety
        self.key = (seed, 11, SPLITS.index(split), KINDS.index(kind))
        self.kind = kind
        self.split = split
        self.count = 0
        self.left = 0
        self.item = Item("", kind, 0, split)

    def take(self, all_items: dict[str, Item]) -> Item:
        """Return the next look's garment; a new one gets the next free id."""
        if self.left == 0:
            rng = np.random.default_rng([*self.key, self.count])
            self.left = int(rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3)))
            # The split is in the lowest bit, so the splits share no garment.
            seed = 2 * int(rng.integers(1 << 30)) + SPLITS.index(self.split)
            self.item = Item(_item_id(len(all_items)), self.kind, seed, self.split, self.variety)
            all_items[self.item.id] = self.item
            self.count += 1
        self.left -= 1
        return self.item


def _day(number: int) -> str:
    """Return MMDD of the date that many days after the first of October."""
    day = datetime.date(2021, 10, 1) + datetime.timedelta(days=number % 365)
    return f"{day:%m%d}"


def _item_id(number: int) -> str:
    return f"{_day(number // 999)}{number % 999 + 1:03d}"


def _look_id(number: int) -> str:
    letter = chr(ord("A") + number // 999 % 26)
    return f"{_day(number // (999 * 26))}_{letter}{number % 999 + 1:03d}"


def make_plan(looks: int, seed: int, variety: Variety = "easy") -> Plan:
    """Return the plan of a set. Raise DrawnDataError for fewer than 1 or more than 100 000 looks or a negative seed."""
    if not 1 <= looks <= 100_000:
        raise DrawnDataError(f"looks: {looks} is out of range; give 1 to 100000")
    if seed < 0:
        raise DrawnDataError(f"seed: {seed} is negative; give 0 or more")
    wardrobes: dict[tuple[Split, Kind], _Wardrobe] = {
        (split, kind): _Wardrobe(seed, split, kind, variety) for split in SPLITS for kind in KINDS
    }
    items: dict[str, Item] = {}
    worn: list[Look] = []
    shares = [share for share, _ in OUTFITS]
    for k in range(looks):
        split: Split = "val" if k % VALIDATION_EVERY == VALIDATION_EVERY - 1 else "train"
        rng = np.random.default_rng([seed, 10, k])
        kinds = OUTFITS[int(rng.choice(len(OUTFITS), p=shares))][1]
        # The look's number is in the low digits, so no person is repeated.
        person = int(rng.integers(1 << 30)) // 100_000 * 100_000 + k
        taken = tuple(wardrobes[split, kind].take(items).id for kind in kinds)
        worn.append(Look(_look_id(k), split, person, int(rng.integers(1 << 31)), taken, variety))
    return Plan(seed, tuple(worn), items, variety)
