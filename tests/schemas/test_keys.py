"""Keys and names of shards become names of files: no document of the contract holds one that leads elsewhere."""

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas import LONGEST_KEY, Key, Reject, ShardEntry, ShardSample

HOSTILE = [
    "../evil", "/tmp/evil", "a/b", "a\\b", "..", ".", "", "C:evil", "a.b", "a b", "a\nb", "key\n", "a\0b", "키",
    "a" * (LONGEST_KEY + 1),
]  # fmt: skip


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_is_a_plain_name(key: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Key).validate_python(key)
    with pytest.raises(ValidationError):
        ShardSample(key=key, digest="0", members={})
    with pytest.raises(ValidationError):
        Reject(key=key, reason="bad-image", path="a.jpg", detail="")


@pytest.mark.parametrize("key", ["a", "train_1001_A005_000_1001008_F", "-_-", "a" * LONGEST_KEY])
def test_the_keys_that_prep_makes_are_plain_names(key: str) -> None:
    assert ShardSample(key=key, digest="0", members={}).key == key


@pytest.mark.parametrize("change", [{"name": "../train-000000.tar"}, {"name": "/x.tar"}, {"sha256": "../../x"}])
def test_a_shards_name_and_checksum_lead_nowhere(change: dict[str, str]) -> None:
    good = {"name": "train-000000.tar", "split": "train", "samples": 1, "rejects": 0, "bytes": 1, "sha256": "0" * 64}
    ShardEntry.model_validate(good)
    with pytest.raises(ValidationError):
        ShardEntry.model_validate({**good, **change})
