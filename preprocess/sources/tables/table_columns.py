"""The columns of a table of pairs: which column of the user's table is which, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from common.errors import UserError
from schemas import Garment, Split

Column = Literal[
    "person",
    "garment",
    "pose",
    "parse",
    "mask",
    "garment_pose",
    "category",
    "split",
    "person_id",
    "outfit",
    "id",
    "worn",
]
"""person, garment, pose, parse, mask, garment_pose: files; mask and garment_pose belong to the garment's image.
category, split, person_id, outfit, id, worn: words."""

COLUMNS: tuple[Column, ...] = get_args(Column)
FILES: tuple[Column, ...] = COLUMNS[:6]

_GARMENTS: tuple[Garment, ...] = get_args(Garment)
_WORDS: dict[Garment, str] = {
    "upper": "upper upper_body upperbody upper_clothes top tops topwear shirt tshirt t_shirt tee blouse polo sweater "
    "sweatshirt hoodie jumper pullover knitwear cardigan jacket coat blazer vest outerwear tank tank_top camisole 0",
    "lower": "lower lower_body lowerbody lower_clothes bottom bottoms bottomwear pants trousers jeans shorts skirt "
    "leggings chinos joggers sweatpants 1",
    "dress": "dress dresses full_body overall gown jumpsuit romper onepiece one_piece 2",
}
_KIND_OF: dict[str, Garment] = {word: garment for garment, words in _WORDS.items() for word in words.split()}
_SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "val", "testing": "val",
}  # fmt: skip
_DECIMAL = re.compile(r"[0-9]+\.0")
"""A number of a column with empty cells, as pandas writes it."""
_YES_OR_NO = {
    **dict.fromkeys(("", "yes", "y", "true", "1", "1.0", "paired"), True),
    **dict.fromkeys(("no", "n", "false", "0", "0.0", "unpaired"), False),
}


@dataclass(frozen=True)
class ColumnNames:
    """Which column of the table is which, and additional words for categories; from the command line."""

    columns: Mapping[Column, str] = field(default_factory=dict)
    categories: Mapping[str, Garment] = field(default_factory=dict)

    def find(self, header: Sequence[str], where: str) -> dict[Column, str]:
        """Return the table's own name of each column that it has. Raise UserError if a needed one is missing."""
        own = {plain(name): name for name in reversed(header)}
        for column, name in self.columns.items():
            if plain(name) not in own:
                raise UserError(f"--column {column}={name}: {where} has no such column, but {', '.join(header)}")
        taken = {plain(name) for name in self.columns.values()}
        found: dict[Column, str] = {column: own[plain(name)] for column, name in self.columns.items()}
        for column in COLUMNS:
            if column not in found and column in own and column not in taken:
                found[column] = own[column]
        if "person" not in found or not {"garment", "person_id"} & found.keys():
            raise UserError(
                f"{where}: needs the columns person and garment, or person and person_id, and has "
                f"{', '.join(header) or 'none'}; name them with --column person=NAME --column garment=NAME"
            )
        return found

    def kind(self, word: str) -> Garment | None:
        """Return a category's kind of garment, None if it is unknown; an empty word means a top."""
        word = plain(word)
        if not word:
            return "upper"
        if own := self.categories.get(word):
            return own
        if _DECIMAL.fullmatch(word):
            word = word.removesuffix(".0")
        return self.categories.get(word) or _KIND_OF.get(word) or _KIND_OF.get(word.removesuffix("s"))


def column_names(columns: Iterable[str], categories: Iterable[str]) -> ColumnNames:
    """Return the choices of --column and --category, each as COLUMN=NAME and WORD=KIND. Raise UserError."""
    chosen: dict[Column, str] = {}
    for choice in columns:
        left, _, name = choice.partition("=")
        column = next((column for column in COLUMNS if column == plain(left)), None)
        if column is None or not name:
            raise UserError(f"--column {choice}: give COLUMN=NAME, where COLUMN is one of {', '.join(COLUMNS)}")
        if column in chosen:
            raise UserError(f"--column {choice}: {column} is {chosen[column]} already; remove one of the two")
        chosen[column] = name
    words: dict[str, Garment] = {}
    for choice in categories:
        word, _, right = choice.rpartition("=")
        garment = next((garment for garment in _GARMENTS if garment == plain(right)), None)
        if garment is None or not plain(word):
            raise UserError(f"--category {choice}: give WORD=KIND, where KIND is one of {', '.join(_GARMENTS)}")
        words[plain(word)] = garment
    return ColumnNames(chosen, words)


def plain(name: str) -> str:
    """Return a column's name or a word in lower case, with '_' for spaces and hyphens."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def split_of(word: str) -> Split | None:
    """Return the split that a word names, None for other words."""
    return _SPLITS.get(plain(word))


def is_worn(word: str) -> bool | None:
    """Return whether the person wears the garment by a word of the column worn; None for a word of another kind."""
    return _YES_OR_NO.get(plain(word))


def split_by_name(location: str) -> Split | None:
    """Return the split named at the start of a table's name, as train-00000.parquet, or by its folder."""
    *_, folder, name = ("", *location.replace("\\", "/").split("/"))
    return split_of(re.split(r"[^A-Za-z]", name, maxsplit=1)[0]) or split_of(folder)
