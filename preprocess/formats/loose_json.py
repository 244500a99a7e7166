"""Lenient reading of JSON: encodings other than plain UTF-8, repeated keys."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

from preprocess.faults import Fault

_KEY = re.compile(rb'"\s*:')
"""The end of a key."""


def load_json(data: bytes, faults: list[Fault] | None = None) -> Any:
    """Decode JSON in UTF-8 with or without BOM, or in cp949. Raise ValueError.

    An encoding other than plain UTF-8 is added to ``faults``. If an object repeats a key, the last value has the key
    and earlier ones are kept under names that end in ')'.
    """
    try:
        # Takes a third of the time, but drops repeated keys. Files that it rejects are decoded below.
        document = from_json(data, cache_strings="keys")
        if _keys(document) == len(_KEY.findall(data)):
            return document
    except ValueError:
        pass
    return _load_any(data, [] if faults is None else faults)


def _keys(document: Any) -> int:
    """Count the keys of nested objects; lists are not searched, since they may be long."""
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
