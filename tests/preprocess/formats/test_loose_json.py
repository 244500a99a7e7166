"""Whatever bytes come, `load_json` says what Python's own decoder says of them, but for repeated keys."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.faults import Fault
from preprocess.formats.loose_json import load_json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _outcome(load: Any, data: bytes) -> Any:
    try:
        return _plain(load(data))
    except ValueError:
        return "refused"


def _plain(value: Any) -> Any:
    """Return the value so that NaN equals itself, 1 does not equal 1.0, and the order of keys counts."""
    if isinstance(value, dict):
        return [(key, _plain(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return type(value).__name__, "nan" if isinstance(value, float) and math.isnan(value) else value


@settings(max_examples=300, deadline=None)
@given(value=_VALUES, spaced=st.booleans(), escaped=st.booleans())
def test_errors_match_those_of_pythons_decoder(value: Any, spaced: bool, escaped: bool) -> None:
    text = json.dumps(value, indent=2 if spaced else None, ensure_ascii=escaped)
    data = text.encode("utf-8", "surrogatepass")
    assert _outcome(load_json, data) == _outcome(lambda data: json.loads(data.decode("utf-8")), data)


@settings(max_examples=300, deadline=None)
@given(value=_VALUES, place=st.integers(0, 200), inserted=st.sampled_from(list('{}[]",:\\0123.eE-+NIn u')))
def test_refuses_what_pythons_decoder_refuses(value: Any, place: int, inserted: str) -> None:
    text = json.dumps(value)
    data = (text[:place] + inserted + text[place:]).encode()
    expected = _outcome(lambda data: json.loads(data, object_pairs_hook=_kept), data)
    assert _outcome(load_json, data) == expected


def _kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Expect the first values of repeated keys under other names, after the last one."""
    document = dict(pairs)
    for number, (key, value) in enumerate(pairs):
        if any(later == key for later, _ in pairs[number + 1 :]):
            document[f"{key} ({number})"] = value
    return document


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{"a": 1, "a": 2}', [1, 2]),
        (b'{"a" : 1, "b": {"a": 3, "a" :2}}', [1, 2, 3]),
        (b'{"a\\":": 1, "a\\":": 2}', [1, 2]),
        (b'[{"a": 1, "a": 2}]', [1, 2]),
        (b'{"\\u0061": 1, "a": 2}', [1, 2]),
    ],
)
def test_keeps_every_value_of_a_repeated_key(data: bytes, kept: list[int]) -> None:
    def numbers(value: Any) -> list[int]:
        if isinstance(value, int):
            return [value]
        return [number for inner in (value.values() if isinstance(value, dict) else value) for number in numbers(inner)]

    assert sorted(numbers(load_json(data))) == kept


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("\ufeff{}".encode(), ["utf-8-bom"]),
        ('{"name": "한복"}'.encode("cp949"), ["cp949-text"]),
        ('{"name": "한복"}'.encode(), []),
    ],
)
def test_names_other_encodings(data: bytes, said: list[str]) -> None:
    faults: list[Fault] = []
    document = load_json(data, faults)
    assert faults == said
    assert document in ({}, {"name": "한복"})


def test_refuses_what_is_nested_too_deeply() -> None:
    assert len(load_json(b"[" * 300 + b"1" + b"]" * 300)) == 1
    with pytest.raises(ValueError, match="nested too deeply"):
        load_json(b"[" * 100_000 + b"]" * 100_000)
