"""How the parts of a dataset join: images, labels, pairs and items, by their names alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from preprocess.faults import Fault, Tally
from preprocess.sources.aihub import SLOTS, Part
from preprocess.sources.aihub_names import Leaf
from preprocess.sources.record import MISSING
from preprocess.sources.record import Subject as Kind


@dataclass(frozen=True)
class Joins:
    """Counts for one split."""

    looks: int
    """With at least one image"""
    pairs_listed: int
    pairs_without_picture: int
    pictures_without_pair: int
    """Neither the image nor another one of its look is in a wearing list"""
    pictures_without_labels: int
    """Images of people and products without a pose or a parse"""
    labels_without_picture: int
    items_worn: int
    items_without_picture: int
    """Worn, but with no image of front or back"""
    items_never_worn: int


def join(part: Part, faults: Tally) -> Joins:
    """Count how the files of a split join; what does not join is noted in ``faults`` too."""
    people, products = part.files.get("model-image", {}), part.files.get("item-image", {})
    items = {stem.rpartition("_")[0] for stem in products}
    worn = {item for slots in part.worn.values() for item in slots.values()}
    lost = [stem for stem in part.worn if stem not in people]
    for stem in lost:
        faults.note(Fault.MISSING_PERSON_IMAGE, f"{stem} in the wearing list")
    unpaired = [stem for stem in people if stem not in part.worn and stem.rpartition("_")[0] not in part.worn_by_look]
    for stem in unpaired:
        faults.note(Fault.PICTURE_WITHOUT_PAIR, people[stem])
    fronts = sorted(item for item in worn if f"{item}_F" not in products)
    for item in fronts:
        faults.note(Fault.MISSING_PRODUCT_IMAGE, f"{item}_F in the wearing list")
    unlabelled = _unlabelled(part, "model", "person", faults) + _unlabelled(part, "item", "product", faults)
    return Joins(
        looks=len({stem.rpartition("_")[0] for stem in people}),
        pairs_listed=len(part.worn),
        pairs_without_picture=len(lost),
        pictures_without_pair=len(unpaired),
        pictures_without_labels=unlabelled,
        labels_without_picture=_orphans(part, "model", faults) + _orphans(part, "item", faults),
        items_worn=len(worn),
        items_without_picture=len(worn - items),
        items_never_worn=len(items - worn),
    )


def worn_slots(part: Part) -> dict[str, int]:
    """Return the number of listed pairs with an item in each slot."""
    counts = Counter(slot for slots in part.worn.values() for slot in slots)
    return {slot: counts[slot] for slot in SLOTS}


def _unlabelled(part: Part, subject: str, what: Kind, faults: Tally) -> int:
    images: Leaf = "model-image" if subject == "model" else "item-image"
    poses, parses = _labels_of(part, subject)
    lacking = 0
    for stem, path in part.files.get(images, {}).items():
        if stem not in poses:
            faults.note(MISSING[what, "pose"], path)
        if stem not in parses:
            faults.note(MISSING[what, "parse"], path)
        lacking += stem not in poses or stem not in parses
    return lacking


def _orphans(part: Part, subject: str, faults: Tally) -> int:
    images = part.files.get("model-image" if subject == "model" else "item-image", {})
    orphans = [path for labels in _labels_of(part, subject) for stem, path in labels.items() if stem not in images]
    for path in orphans:
        faults.note(Fault.LABEL_WITHOUT_PICTURE, path)
    return len(orphans)


def _labels_of(part: Part, subject: str) -> tuple[dict[str, str], dict[str, str]]:
    if subject == "model":
        return part.files.get("model-pose", {}), part.files.get("model-parse", {})
    return part.files.get("item-pose", {}), part.files.get("item-parse", {})
