"""A label table of the user's own, from a file: the name of each number of the label maps.

JSON: an object of number → name (or name → number), or a list of names from 0. TOML: the same, at the top or under
`labels`. CSV or text: a row `number,name` each, with or without a header. Names are those of `label_tables`, such as
`hair`, `face`, `upper`, `left arm`; case, hyphens and underscores do not matter, and common synonyms are known.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from common.errors import UserError
from preprocess.label_tables import PERSON_WITHOUT_REGION, REGIONS, Pixelwise, own_table

_HIGHEST = 255
_BIGGEST_FILE = 1_000_000

_SYNONYMS = {
    "top": "upper", "upper clothes": "upper", "upper cloth": "upper", "upper body": "upper", "shirt": "upper",
    "outer": "coat", "jacket": "coat", "outerwear": "coat", "coats": "coat", "trousers": "pants", "bottom": "pants",
    "lower": "pants", "shorts": "pants", "lower clothes": "pants", "dresses": "dress", "jumpsuits": "jumpsuit",
    "sunglasses": "glasses", "eyeglasses": "glasses", "cap": "hat", "sock": "socks", "gloves": "glove",
    "shoe": "shoes", "foot": "feet", "hand": "hands", "arm": "arms", "leg": "legs", "torso": "torso skin",
    "skin": "torso skin", "body": "torso skin", "torso skin": "torso skin", "bags": "bag", "jewellery": "jewelry",
    "bg": "background", "none": "background", "accessory": "other", "unknown": "other", "person": "other",
}  # fmt: skip
_SIDES = {"l": "left", "r": "right"}


def read_table(path: Path) -> Pixelwise:
    """Read the table. Raise UserError that names the line of what is wrong."""
    try:
        if path.stat().st_size > _BIGGEST_FILE:
            raise UserError(f"--labels {path}: far too large for a table of labels")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--labels {path}: cannot be read as text ({error})") from error
    rows = {".json": _json_rows, ".toml": _toml_rows}.get(path.suffix.lower(), _text_rows)(text, path)
    names: dict[int, str] = {}
    for line, number, name in rows:
        value = _number(number)
        if value is None:
            _refuse(path, line, f"{number!r} is not a label number from 0 to {_HIGHEST}")
        if value in names:
            _refuse(path, line, f"the number {value} has a name already")
        names[value] = _name(name, path, line)
    if "background" not in names.values() or len(names) < 2:
        _refuse(path, 0, "name `background` and at least one more label")
    return own_table(names)


def _refuse(path: Path, line: int, problem: str) -> NoReturn:
    where = f", line {line}" if line else ""
    raise UserError(f"--labels {path}{where}: {problem}")


def _number(value: Any) -> int | None:
    text = str(value).strip()
    number = int(text) if re.fullmatch(r"\d{1,4}", text) else -1
    return number if 0 <= number <= _HIGHEST else None


def _name(value: Any, path: Path, line: int) -> str:
    if not isinstance(value, str):
        _refuse(path, line, f"{value!r} is not a name")
    plain = " ".join(re.sub(r"[-_\s]+", " ", value).strip().lower().split())
    side, _, limb = plain.partition(" ")
    candidates = (
        plain,
        _SYNONYMS.get(plain, ""),
        plain.replace(" ", "_"),
        f"{_SIDES.get(side, side)} {limb}",
    )
    known = {*REGIONS, *PERSON_WITHOUT_REGION}
    found = next((name for name in candidates if name in known), None)
    if found is None:
        _refuse(path, line, f"{value!r} is not a known label; known are {', '.join(sorted(known))}")
    return found


def _json_rows(text: str, path: Path) -> list[tuple[int, Any, Any]]:
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        _refuse(path, getattr(error, "lineno", 0), f"not JSON: {getattr(error, 'msg', error)}")
    if isinstance(document, list) and document and all(isinstance(entry, str) for entry in document):
        return [(_line_of(text, entry), number, entry) for number, entry in enumerate(document)]
    pairs = _inner(document)
    if pairs is None:
        _refuse(path, 1, "an object of number and name, or a list of names, is expected")
    return [(_line_of(text, str(key)), *_number_first(key, value)) for key, value in pairs]


def _inner(document: Any) -> list[tuple[str, Any]] | None:
    """Return the pairs of an object, or those under its `labels`, `id2label` or `names`."""
    if not isinstance(document, list) or not all(isinstance(pair, tuple) for pair in document):
        return None
    for key, value in document:
        if key in ("labels", "id2label", "label2id", "names") and isinstance(value, list):
            return _inner(value)
    return document


def _number_first(key: Any, value: Any) -> tuple[Any, Any]:
    return (value, key) if _number(key) is None and _number(value) is not None else (key, value)


def _line_of(text: str, word: str) -> int:
    """Return the line of a word in quotes or of a key, 0 if it is not found."""
    quoted = re.escape(json.dumps(word, ensure_ascii=False))
    match = re.search(rf"{quoted}|^\s*['\"]?{re.escape(word)}['\"]?\s*[=:,]", text, re.MULTILINE)
    return 0 if match is None else text.count("\n", 0, match.end()) + 1


def _toml_rows(text: str, path: Path) -> list[tuple[int, Any, Any]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        _refuse(path, int(line[1]) if line else 0, f"not TOML: {error}")
    table = document.get("labels", document)
    if isinstance(table, list):
        return [(_line_of(text, str(entry)), number, entry) for number, entry in enumerate(table)]
    if not isinstance(table, dict):
        _refuse(path, 1, "a table of number and name is expected")
    return [(_line_of(text, str(key)), *_number_first(key, value)) for key, value in table.items()]


def _text_rows(text: str, path: Path) -> list[tuple[int, Any, Any]]:
    rows: list[tuple[int, Any, Any]] = []
    for line, row in enumerate(text.splitlines(), 1):
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        cells = [cell.strip().strip("\"'") for cell in re.split(r"[,;\t:=]", row, maxsplit=1)]
        if len(cells) != 2:
            _refuse(path, line, f"a number and a name are expected, not {row.strip()[:60]!r}")
        pair = _number_first(*cells)
        if not rows and _number(pair[0]) is None and not any(re.search(r"\d", cell) for cell in cells):
            continue  # a header
        rows.append((line, *pair))
    return rows
