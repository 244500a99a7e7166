"""Ground truth of swaps: people of the validation split in garments that they wear nowhere in the set.

Chosen are looks without an outer layer, whose every garment is seen whole. Each is drawn in its front frame, for each
of its garments in turn with ``GARMENTS`` others of the split in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from preprocess.formats.images import encode_jpeg
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.garments.garment import SLOTS, Slot
from preprocess.synthetic.outfits import Item, Look, Plan
from preprocess.synthetic.output import replace_file
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.pose import frame_yaw
from schemas import MASK_GARMENT, MASK_KEPT, SWAPS, Garment, Swap, Truth

FOLDER: Final = "truth"
FRAME: Final = "000"
GARMENTS: Final = 20
"""Garments per person; fewer if the split has fewer."""
JPEG_QUALITY: Final = 95

_FEWEST = 2
_SALT = 12
_REGIONS: Final[dict[Garment, tuple[str, ...]]] = {
    "upper": ("inner_torso", "inner_lsleeve", "inner_rsleeve"),
    "dress": ("inner_torso", "inner_lsleeve", "inner_rsleeve"),
    "lower": ("pants_hip", "pants_lsleeve", "pants_rsleeve", "skirt"),
}


@dataclass(frozen=True)
class Wearing:
    """A look whose garment in one slot is replaced by others."""

    look: Look
    slot: Garment
    outfit: tuple[Item, ...]
    """Garment worn in the image"""
    others: tuple[Item, ...]
    """Garments to try on, one at a time; all of ``slot``"""

    def swaps(self) -> list[Swap]:
        """Return the entries of the list."""
        return [self._swap(item) for item in self.others]

    def _swap(self, item: Item) -> Swap:
        garment, stem = item.garment(), f"{self.look.id}_{FRAME}__{item.id}"
        return Swap(
            look=self.look.id,
            frame=FRAME,
            item=item.id,
            garment=self.slot,
            kind=item.kind,
            sleeve=garment.sleeve,
            neck=garment.neck,
            pattern=garment.pattern,
            print=garment.print,
            picture=f"{stem}.jpg",
            mask=f"{stem}.png",
        )


@dataclass(frozen=True)
class SwapTask:
    """Draws the missing files of one person and slot."""

    out: Path
    wearing: Wearing

    def run(self) -> None:
        """Write images and masks, each file atomically."""
        look, folder = self.wearing.look, self.out / FOLDER
        missing = [
            (item, swap)
            for item, swap in zip(self.wearing.others, self.wearing.swaps(), strict=True)
            if not ((folder / swap.picture).exists() and (folder / swap.mask).exists())
        ]
        photograph = _draw(look, self.wearing.outfit) if missing else None
        for item, swap in missing:
            assert photograph is not None
            worn = [one for one in self.wearing.outfit if SLOTS[one.kind] != self.wearing.slot]
            drawing = _draw(look, [*worn, item])
            _, mask = cv2.imencode(".png", swap_mask(photograph, drawing, self.wearing.slot))
            replace_file(folder / swap.mask, mask.tobytes())
            replace_file(folder / swap.picture, encode_jpeg(drawing.image, JPEG_QUALITY))


def plan_swaps(plan: Plan, looks: int) -> list[Wearing]:
    """Choose ``looks`` looks, or all that serve where they are fewer, spread evenly over the validation split."""
    offered = _offered(plan)
    serving = [number for number, look in enumerate(plan.looks) if _slots(plan, look, offered)]
    count = min(looks, len(serving))
    chosen = [serving[place * len(serving) // count] for place in range(count)]
    return [wearing for number in chosen for wearing in _wearings(plan, number, offered)]


def swap_mask(photograph: Drawing, swapped: Drawing, slot: Garment) -> U8:
    """Return (H, W): MASK_GARMENT where the garment put on is seen, MASK_KEPT where the same of the person is, else 0.

    Where one garment of the slot gives way to another nothing is kept; nor is what only one of the two images shows,
    such as a forearm beneath a long sleeve.
    """
    garment = np.isin(swapped.labels, [region(name) for name in _REGIONS[slot]])
    kept = (photograph.labels == swapped.labels) & (swapped.labels != BACKGROUND) & ~garment
    mask = np.zeros(garment.shape, np.uint8)
    mask[garment], mask[kept] = MASK_GARMENT, MASK_KEPT
    return mask


def write_list(out: Path, wearings: Sequence[Wearing]) -> None:
    """Write the list of all swaps, once they are drawn, and remove images that a smaller set had instead."""
    swaps = tuple(swap for wearing in wearings for swap in wearing.swaps())
    replace_file(out / FOLDER / SWAPS, (Truth(swaps=swaps).model_dump_json(indent=1) + "\n").encode())
    listed = {name for swap in swaps for name in (swap.picture, swap.mask)}
    for path in (out / FOLDER).iterdir():
        if path.suffix in (".jpg", ".png") and path.name not in listed:
            path.unlink()


def _offered(plan: Plan) -> dict[Slot, list[Item]]:
    """Return the garments of the validation split that a sample of shards can show, by slot."""
    offered: dict[Slot, dict[str, Item]] = {slot: {} for slot in SLOTS.values()}
    for look in plan.looks:
        outfit = [plan.items[item] for item in look.items]
        layered = any(item.kind == "outer" for item in outfit)
        for item in outfit:
            # No sample tries on a top under an outer layer: most of it is covered.
            if look.split == "val" and not (layered and item.kind == "top"):
                offered[SLOTS[item.kind]][item.id] = item
    return {slot: list(items.values()) for slot, items in offered.items()}


def _slots(plan: Plan, look: Look, offered: dict[Slot, list[Item]]) -> list[Garment]:
    """Return the slots of a look that can be swapped; none of training looks and of those with an outer layer."""
    slots: list[Garment] = []
    for item in look.items:
        slot = SLOTS[plan.items[item].kind]
        if look.split != "val" or slot == "outer":
            return []
        if sum(other.id != item for other in offered[slot]) >= _FEWEST:
            slots.append(slot)
    return slots


def _wearings(plan: Plan, number: int, offered: dict[Slot, list[Item]]) -> list[Wearing]:
    look = plan.looks[number]
    outfit = tuple(plan.items[item] for item in look.items)
    found: list[Wearing] = []
    for slot in _slots(plan, look, offered):
        others = [item for item in offered[slot] if item.id not in look.items]
        order = np.random.default_rng([plan.seed, _SALT, number, len(found)]).permutation(len(others))
        found.append(Wearing(look, slot, outfit, tuple(others[place] for place in order[:GARMENTS])))
    return found


def _draw(look: Look, outfit: Sequence[Item]) -> Drawing:
    stance = look.stance()
    return draw_look(look.wearer(), stance, frame_yaw(stance, FRAME), [item.garment() for item in outfit])
