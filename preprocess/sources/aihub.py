"""AI-Hub 78, "fashion items and wearing images": both releases, as unpacked on disk.

Folders are found by the name of the leaf (`Model-Image`, `item-pose_f`, `Model-Image_deid`, …), whatever lies above
it; the wearing lists say which items a look wears.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import splitext
from typing import Any, Literal

from preprocess.annotations import Pose, load_json, read_model_parse, read_pose
from preprocess.faults import RecordError
from preprocess.sources.files import Files, normal
from preprocess.sources.record import Record
from schemas import Garment, Split, UserError, View

Leaf = Literal["model-image", "model-pose", "model-parse", "item-image", "item-pose", "item-parse"]

_LEAF = re.compile(r"^(model|item)-(image|pose|parse)(_f|_deid)?$", re.IGNORECASE)
_WEARING = re.compile(r"^(winfo|wearing_info).*\.json$", re.IGNORECASE)
_NEWEST = re.compile(r"_add(/|$)|v230428", re.IGNORECASE)
_PICTURES = (".jpg", ".jpeg", ".png")
_ALIASES = {"top_out": "main_top", "top_in": "inner_top"}
_SLOTS = ("hat", "main_top", "inner_top", "bottom", "shoes")


@dataclass
class Part:
    """The files of one split: leaf → stem → path; stem of a picture, or id of a look → slot → item id."""

    files: dict[Leaf, dict[str, str]] = field(default_factory=dict)
    worn: dict[str, dict[str, str]] = field(default_factory=dict)
    worn_by_look: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, leaf: Leaf, stem: str) -> str:
        """Return the file's path, "" where it is missing."""
        return self.files.get(leaf, {}).get(stem, "")


@dataclass
class AIHub:
    """An AI-Hub 78 data set: its parts, and what was left out on the way with the number of times."""

    files: Files
    parts: dict[Split, Part]
    left_out: Counter[str]


def is_aihub(files: Files) -> bool:
    """Say whether a folder of model pictures and a wearing list lie anywhere below."""
    model = wearing = False
    for folder, names in files.walk():
        model = model or bool(re.fullmatch(r"model-image(_f|_deid)?", folder.rsplit("/", 1)[-1], re.IGNORECASE))
        wearing = wearing or any(_WEARING.match(name) for name in names)
        if model and wearing:
            return True
    return False


def open_aihub(files: Files) -> AIHub:
    """List the files and read the wearing lists. Raise UserError where the layout is not AI-Hub's."""
    data = AIHub(files, {"train": Part(), "val": Part()}, Counter())
    wearing: dict[Split, dict[str, str]] = {"train": {}, "val": {}}
    for folder, names in files.walk():
        split = _split(folder)
        for name in names:
            if _WEARING.match(name):
                _add(wearing[split], name.lower(), f"{folder}/{name}", data.left_out)
        if leaf := _leaf(folder):
            stems = data.parts[split].files.setdefault(leaf, {})
            for name in names:
                stem, suffix = splitext(name)
                if suffix.lower() in (_PICTURES if leaf.endswith("image") else (".json",)):
                    _add(stems, normal(stem), f"{folder}/{name}", data.left_out)
    for split, lists in wearing.items():
        for path in _newest(lists.values()):
            _read_wearing(files, path, data.parts[split])
    if not any(part.worn for part in data.parts.values()):
        raise UserError(
            f"--src {files.root}: no winfo*.json or wearing_info*.json with pairs below it; "
            "unpack the label archives (라벨링데이터) beside the pictures"
        )
    return data


def records(data: AIHub, garment: Garment | Literal["all"]) -> Iterator[Record]:
    """Yield a record for every wanted garment in every front view, and back view with a product picture of the back.

    What is left out on purpose is counted in ``data.left_out``.
    """
    for split, part in data.parts.items():
        for look, frame in _frames(part):
            stem = f"{look}_{frame}"
            worn = part.worn.get(stem) or part.worn_by_look.get(look, {})
            view = _view(data.files, part, stem, frame)
            for slot in ("main_top", "bottom"):
                if slot not in worn:
                    continue
                kind: Garment = "lower" if slot == "bottom" else _kind_of_top(data.files, part, stem, worn)
                if garment not in ("all", kind):
                    data.left_out[f"{kind}-garment"] += 1
                    continue
                record = _record(split, part, look, frame, worn[slot], kind, view)
                if view == "side" or (view == "back" and not record.product_image):
                    data.left_out[f"{view}-view"] += 1
                    continue
                yield record


def _split(folder: str) -> Split:
    parts = folder.lower().split("/")
    for part in parts:
        if re.search(r"valid|(^|[^a-z])val([^a-z]|$)", part):
            return "val"
        if "train" in part or "traing" in part:
            return "train"
    return "train"


def _leaf(folder: str) -> Leaf | None:
    match = _LEAF.match(folder.rsplit("/", 1)[-1])
    return f"{match[1].lower()}-{match[2].lower()}" if match else None  # type: ignore[return-value]


def _add(paths: dict[str, str], name: str, path: str, left_out: Counter[str]) -> None:
    """Keep one path per name: the newest release's where an older folder holds the same file again."""
    if name in paths:
        left_out["older-duplicate"] += 1
        if _NEWEST.search(paths[name]) or not _NEWEST.search(path):
            return
    paths[name] = path


def _newest(paths: Any) -> list[str]:
    found = sorted(paths)
    return [path for path in found if _NEWEST.search(path)] or found


def _read_wearing(files: Files, path: str, part: Part) -> None:
    """Add a wearing list to the part; a look's frames that are not listed wear what its listed ones wear."""
    try:
        rows = load_json(files.read(path))
    except (RecordError, ValueError) as error:
        raise UserError(f"{files.root / path}: not a JSON list of pairs ({error}); fetch the file anew") from error
    if not isinstance(rows, list):
        raise UserError(f"{files.root / path}: a JSON list is expected, not {type(rows).__name__}; fetch the file anew")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("wearing"), str):
            continue
        named = {_ALIASES.get(slot, slot): item for slot, item in row.items()}
        slots = {slot: str(named[slot]) for slot in _SLOTS if named.get(slot) not in (None, "")}
        stem = normal(splitext(row["wearing"])[0])
        part.worn[stem] = slots
        part.worn_by_look.setdefault(stem.rpartition("_")[0], slots)


def _frames(part: Part) -> list[tuple[str, str]]:
    """List (look, frame) of every picture and every listed pair, sorted."""
    stems = part.worn.keys() | part.files.get("model-image", {}).keys()
    pairs = (stem.rpartition("_") for stem in stems)
    return sorted((look, frame) for look, _, frame in pairs if look)


def _view(files: Files, part: Part, stem: str, frame: str) -> View:
    pose = _quiet_pose(files, part.path("model-pose", stem))
    if pose is not None and pose.view is not None:
        return pose.view  # type: ignore[return-value]
    return "front" if frame == "000" else "side"


def _kind_of_top(files: Files, part: Part, stem: str, worn: dict[str, str]) -> Garment:
    """Tell a dress from a top: worn alone, with landmarks at the knee or below, over no other lower garment."""
    if "bottom" in worn or "inner_top" in worn:
        return "upper"
    landmarks = _quiet_pose(files, part.path("item-pose", f"{worn['main_top']}_F"))
    if landmarks is None or not landmarks.points[13:, 2].any():
        return "upper"
    path = part.path("model-parse", stem)
    try:
        names = {region.name for region in read_model_parse(files.read(path), path).regions} if path else set()
    except RecordError:
        return "dress"
    return "upper" if any(name.startswith("pants") for name in names) else "dress"


def _quiet_pose(files: Files, path: str) -> Pose | None:
    """Read a pose for planning; its faults are reported when the record is built."""
    try:
        return read_pose(files.read(path), path) if path else None
    except RecordError:
        return None


def _record(split: Split, part: Part, look: str, frame: str, item: str, kind: Garment, view: View) -> Record:
    side: Literal["F", "B"] = "B" if view == "back" else "F"
    person, product = f"{look}_{frame}", f"{item}_{side}"
    return Record(
        split=split,
        look=look,
        frame=frame,
        item=item,
        side=side,
        garment=kind,
        view=view,
        person_image=part.path("model-image", person),
        person_pose=part.path("model-pose", person),
        person_parse=part.path("model-parse", person),
        product_image=part.path("item-image", product),
        product_pose=part.path("item-pose", product),
        product_parse=part.path("item-parse", product),
    )
