"""The user's own labels beside a photograph, each used instead of an estimate.

| beside `anna.jpg` | is |
|---|---|
| `anna.pose.json`, `anna_pose.json`, `anna_keypoints.json`, `anna.json` | the person's pose, as `prep` reads them |
| `anna.parse.png`, `anna_parse.png` | the person's label map; `anna.parse-lip.png` names its table, else --labels |
| `anna.agnostic.png`, `anna_agnostic-mask.png` | a mask, white where Ia hides the photograph |
| `red.mask.png`, `red_mask.jpg` | a mask, white on the garment of a product photograph |

A map or a mask may be any image, of the photograph's size or another size of its shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from preprocess.label_tables import NAMES
from preprocess.sources.files import IMAGE_SUFFIXES

Label = Literal["pose", "parse", "agnostic", "mask"]
Folder = Literal["people", "garments"]

_KINDS: Final[dict[Folder, tuple[Label, ...]]] = {"people": ("pose", "parse", "agnostic"), "garments": ("mask",)}
_TABLES: Final = "|".join(re.escape(name) for name in NAMES)
_PATTERNS: Final[dict[Label, re.Pattern[str]]] = {
    "pose": re.compile(r"(?P<stem>.+?)(?:[._-](?:pose|keypoints))?\.json", re.IGNORECASE),
    "parse": re.compile(rf"(?P<stem>.+?)[._-]parse(?:[._-](?P<table>{_TABLES}))?\.\w+", re.IGNORECASE),
    "agnostic": re.compile(r"(?P<stem>.+?)[._-]agnostic(?:[._-]?mask)?\.\w+", re.IGNORECASE),
    "mask": re.compile(r"(?P<stem>.+?)[._-]mask\.\w+", re.IGNORECASE),
}


@dataclass(frozen=True)
class OwnLabels:
    """The files of one photograph's labels."""

    pose: Path | None = None
    parse: Path | None = None
    agnostic: Path | None = None
    mask: Path | None = None
    table: str = ""
    """The table that the parse's name gives, "" if it gives none"""

    @property
    def paths(self) -> list[Path]:
        """Every file."""
        return [path for path in (self.pose, self.parse, self.agnostic, self.mask) if path is not None]


def label_of(name: str, stems: Collection[str], folder: Folder) -> tuple[str, Label, str] | None:
    """Return the stem of the photograph that a file labels, the kind of label, and its table; None for other files.

    ``stems`` are those of the folder's other files: a file named like a label, but without a photograph to belong to,
    is itself a photograph.
    """
    for kind in _KINDS[folder]:
        found = _PATTERNS[kind].fullmatch(name)
        image = Path(name).suffix.lower() in IMAGE_SUFFIXES
        if found and (kind == "pose" or image) and found["stem"] in stems:
            return found["stem"], kind, (found.groupdict().get("table") or "").lower()
    return None


def without_labels(names: Iterable[str], folder: Folder) -> list[str]:
    """Return the files that are not labels of another one."""
    every = list(names)
    stems = {name.rpartition(".")[0] for name in every}
    return [name for name in every if label_of(name, stems - {name.rpartition(".")[0]}, folder) is None]


def own_labels(root: Path, folder: Folder, file: str) -> OwnLabels:
    """Return the labels beside a photograph of ``root``; of several of one kind, the first by name."""
    stem = file.rpartition(".")[0]
    found: dict[str, Path] = {}
    table = ""
    for path in sorted((root / folder).iterdir()):
        label = None if path.name == file else label_of(path.name, {stem}, folder)
        if label is not None and label[1] not in found and path.is_file():
            found[label[1]] = path
            table = label[2] or table
    return OwnLabels(**found, table=table)
