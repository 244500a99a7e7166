"""The supported datasets, and recognition of a dataset by its folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from common.errors import UserError
from common.text import counted
from preprocess.faults import Exclusion, Fault, Tally
from preprocess.planning.pairing import records
from preprocess.sources.aihub import AIHub, is_aihub, open_aihub
from preprocess.sources.dress_code import is_dress_code, open_dress_code
from preprocess.sources.files import Files
from preprocess.sources.listed import Listed
from preprocess.sources.record import Record
from preprocess.sources.tables.pair_table import PairTable, open_table
from preprocess.sources.tables.table_files import TableFiles
from preprocess.sources.viton_hd import is_viton_hd, open_viton_hd
from schemas import Configuration, Garment, Pairing, Source, Views

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
    def excluded(self) -> Counter[Exclusion]:
        """How many pairs the options excluded, by the reason; more may be counted."""

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
    def excluded(self) -> Counter[Exclusion]:
        """How many pairs the options excluded, by the reason."""
        return self.data.excluded

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
    if isinstance(files, TableFiles):
        return "table"
    skipped = Tally()
    folders = {folder.lower() for folder, _ in files.walk(skipped)}
    found: list[Source] = []
    if is_aihub(files):
        found.append("aihub")
    if is_viton_hd(folders):
        found.append("viton-hd")
    if is_dress_code(folders):
        found.append("dress-code")
    if not found:
        raise UserError(f"--src {files.given}: no dataset recognised{_skipped(skipped)}; {LAYOUTS}")
    if len(found) > 1:
        raise UserError(f"--src {files.given}: contains {' and '.join(found)}; give the folder of one, or --source")
    return found[0]


def _skipped(found: Tally) -> str:
    """Return what was skipped and may hold the dataset."""
    advice = {
        Fault.LINKED_FOLDER: ("linked folders", "add --follow-links"),
        Fault.NESTED_ZIP: ("archives in another", "unpack the outer one"),
        Fault.OTHER_ARCHIVE: ("compressed tars, 7z or rar files", "unpack them"),
        Fault.TAR_IN_STORE: ("tars in a store", "unpack them"),
    }
    counts = ((what, found.counts[fault], do) for fault, (what, do) in advice.items())
    return "".join(f" ({what}: {count} skipped, {do})" for what, count, do in counts if count)


def check_not_empty(files: Files, data: Dataset, records: Sequence[Record], configuration: Configuration) -> None:
    """Raise UserError with the cause if there is no pair to build, or none whose images exist."""
    cause = _without_records(data, configuration) if not records else _without_images(data, records)
    if cause:
        raise UserError(f"--src {files.given}: {cause}")


def _without_records(data: Dataset, configuration: Configuration) -> str:
    excluded = {code: count for code, count in data.left_out.items() if code in set(Exclusion)}
    if Exclusion.NOT_DRAWN in excluded:
        return f"none of {counted(excluded[Exclusion.NOT_DRAWN], 'pair')} is drawn; raise --sample-rate"
    if excluded:
        counts = ", ".join(f"{count} {code}" for code, count in sorted(excluded.items()))
        return (
            f"no pair is left, the options exclude all ({counts}): --garment {configuration.garment} --pairing "
            f"{configuration.pairing} --views {configuration.views}; try --garment all --views all"
        )
    if isinstance(data, PairTable):
        return data.why_empty(configuration.pairing)
    if isinstance(data, Listed):
        if data.pairs:  # only another pairing excludes them without a count
            return f"--pairing {configuration.pairing} needs several images of a person, and there is one; use item"
        skipped = (Fault.BAD_PAIR, Fault.WORN_UNKNOWN, Fault.CONFLICTING_PAIRS)
        rows = {fault: count for fault in skipped if (count := data.found.counts[fault])}
        lists = ", ".join(data.lists)
        if not rows:
            return f"{lists}: no row in it; each row names a person's image and a garment's"
        counts = ", ".join(f"{count} {fault} ({data.found.examples[fault][0]})" for fault, count in rows.items())
        return f"{lists}: no row is a usable pair: {counts}"
    return (
        f"no pair for --garment {configuration.garment} --pairing {configuration.pairing} --views "
        f"{configuration.views}: the wearing lists name no top or lower garment of it; try --garment all --views all"
    )


def _without_images(data: Dataset, records: Sequence[Record]) -> str:
    lists = ", ".join(_lists(data)) or "the wearing lists"
    first = records[0]
    if not any(record.person_image for record in records):
        name = f"{first.look}_{first.frame}" if data.source == "aihub" else first.look
        return f"no person in {lists} has an image, e.g. {name}; compare names and folders"
    if not any(record.product_image for record in records):
        return f"none of the garments in {lists} has an image, e.g. {first.item}; compare names and folders"
    return ""


def _lists(data: Dataset) -> list[str]:
    """Return the names of the lists or tables of pairs; AI-Hub's wearing lists have none."""
    if isinstance(data, PairTable):
        return list(data.files.tables)
    return data.lists if isinstance(data, Listed) else []


def open_listed(files: Files, source: Literal["viton-hd", "dress-code"], *, unpaired: bool = False) -> Listed:
    """Open a dataset with lists of pairs; ``unpaired`` as in `worn_garments`. Raise UserError for another layout."""
    return (open_viton_hd if source == "viton-hd" else open_dress_code)(files, unpaired=unpaired)


def open_dataset(files: Files, source: Source, *, unpaired: bool = False) -> Dataset:
    """Open a dataset of the given kind; ``unpaired`` as in `worn_garments`. Raise UserError for another layout."""
    if source == "table":
        if not isinstance(files, TableFiles):
            raise UserError(f"--src {files.given}: --source table needs --table FILE")
        return open_table(files, unpaired=unpaired)
    if source == "aihub":
        return AIHubPairs(open_aihub(files))
    return open_listed(files, source, unpaired=unpaired)
