"""The supported datasets, and recognition of a dataset by its folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from common.errors import UserError
from preprocess.planning.pairing import records
from preprocess.sources.aihub import AIHub, is_aihub, open_aihub
from preprocess.sources.dress_code import is_dress_code, open_dress_code
from preprocess.sources.files import Files
from preprocess.sources.listed import Listed
from preprocess.sources.record import Record
from preprocess.sources.viton_hd import is_viton_hd, open_viton_hd
from schemas import Garment, Pairing, Source, Views

LAYOUTS = (
    "AI-Hub 78 has folders Model-Image, Item-Image, … and a winfo*.json, VITON-HD has image and cloth next to each "
    "other, Dress Code has upper_body/images"
)
"""How each dataset is recognised, for error messages."""


class Dataset(Protocol):
    """A dataset whose pairs can be listed."""

    @property
    def source(self) -> Source:
        """The kind of dataset."""

    @property
    def left_out(self) -> dict[str, int]:
        """Code → count: of every fault, and of every exclusion by the options."""

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], views: Views
    ) -> Iterator[Record]:
        """Yield a record for every selected pair."""


@dataclass(frozen=True)
class AIHubPairs:
    """AI-Hub's dataset behind the Dataset protocol."""

    data: AIHub
    source: Source = "aihub"

    @property
    def left_out(self) -> dict[str, int]:
        """Code → count: of every fault, and of every exclusion by the options."""
        return dict(self.data.left_out)

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], views: Views
    ) -> Iterator[Record]:
        """Yield a record for every selected pair."""
        return records(self.data, garment, pairing, views)


def recognise(files: Files) -> Source:
    """Return the kind of dataset. Raise UserError if none is recognised, or several are in one folder."""
    folders = {folder.lower() for folder, _ in files.walk()}
    found: list[Source] = []
    if is_aihub(files):
        found.append("aihub")
    if is_viton_hd(folders):
        found.append("viton-hd")
    if is_dress_code(folders):
        found.append("dress-code")
    if not found:
        raise UserError(f"--src {files.src}: no dataset recognised; {LAYOUTS}")
    if len(found) > 1:
        raise UserError(f"--src {files.src}: contains {' and '.join(found)}; give the folder of one, or --source")
    return found[0]


def open_listed(files: Files, source: Literal["viton-hd", "dress-code"]) -> Listed:
    """Open a dataset with lists of pairs. Raise UserError if the layout does not match."""
    return open_viton_hd(files) if source == "viton-hd" else open_dress_code(files)


def open_dataset(files: Files, source: Source) -> Dataset:
    """Open a dataset of the given kind. Raise UserError if the layout does not match."""
    if source == "aihub":
        return AIHubPairs(open_aihub(files))
    return open_listed(files, source)
