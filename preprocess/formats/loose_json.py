"""JSON as real files have it: other encodings than plain UTF-8, repeated keys."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

from preprocess.faults import Fault

_KEY = re.compile(rb'"\s*:')
"""What follows the name of every key."""


def load_json(data: bytes, faults: list[Fault] | None = None) -> Any:
    """Decode JSON in any of the encodings met: UTF-8 with or without BOM, cp949. Raise ValueError.

    Other encodings are added to ``faults``. The first values of a key that an object repeats are kept under names that
    end in ')'.
    """
    try:
        # A third of the time, but the last of repeated keys wins. What it refuses is decided below.
        document = from_json(data, cache_strings="keys")
        if _keys(document) == len(_KEY.findall(data)):
            return document
    except ValueError:
        pass
    return _load_any(data, [] if faults is None else faults)


def _keys(document: Any) -> int:
    """Count the keys of objects in objects; those in lists are not looked for, since a list may be long."""
    if not isinstance(document, dict):
        return 0
    return len(document) + sum(map(_keys, document.values()))


def _load_any(data: bytes, faults: list[Fault]) -> Any:
    try:
        text = data.decode("utf-8-sig")
        if data.startswith(b"\xef\xbb\xbf"):
            faults.append(Fault.UTF_8_BOM)
    except UnicodeDecodeError:
        text = data.decode("cp949")
        faults.append(Fault.CP949_TEXT)
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        for number, (key, value) in enumerate(pairs):
            if value is not document[key]:
                document[f"{key} ({number})"] = value
    return document


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
