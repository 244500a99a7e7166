"""The files beside the tars: plan, index of each shard, rejects, manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.sample import REPAIRED_KEY, Garment, Pairing, Source, Split

PLAN = "plan.json"
MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
NEAR_DUPLICATES = "twins.json"
INDEX_SUFFIX = ".index.json"

Views = Literal["front", "matching", "all"]
"""Which views are paired: front views only, what shows the same side or its neighbour, all."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Configuration(_Strict):
    """All that decides, together with the inputs, what bytes the shards hold."""

    source: Source
    garment: Garment | Literal["all"]
    pairing: Pairing | Literal["both"]
    views: Views
    linings: bool = Field(description="whether Ic shows a product's inside and far side (`*_hidden`)")
    target_size: int = Field(gt=0, description="pixels")
    conditioning_size: int = Field(gt=0, description="pixels")
    jpeg_quality: int = Field(ge=1, le=100)


class PlannedShard(_Strict):
    """One shard as planned: so many records, each of which becomes a sample or a reject."""

    name: str = Field(pattern=r"^[a-z]+-[0-9]{6}\.tar$")
    split: Split
    records: int = Field(gt=0)
    digest: str = Field(description="sha256 over the configuration, the shard's records in order, their inputs' sizes")


class Plan(_Strict):
    """`plan.json`: written before the first shard; a folder never holds two plans."""

    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="sha256 over the shards' names and digests")
    configuration: Configuration
    records: int = Field(ge=0, description="records in: pairs found in the data set")
    moved: int = Field(ge=0, description="records of the data set's `val` that are used in `train`, lest they leak")
    shards: tuple[PlannedShard, ...]


class NearDuplicates(_Strict):
    """`twins.json`: which pictures of the two parts of the data set are nearly the same; found on decoded pixels."""

    schema_version: Literal[1] = 1
    inputs: str = Field(description="sha256 over the names and sizes of the pictures that were compared")
    pairs: tuple[tuple[str, str], ...] = Field(description="paths of a picture of `val` and of its twin in `train`")


class Reject(_Strict):
    """One line of `rejects.jsonl`: a record that did not become a sample."""

    key: str
    reason: str = Field(description="a short code, the same for all records with this fault")
    path: str = Field(description="the file at fault, relative to the data set's folder")
    detail: str = Field(description="what was found, and what would mend it")


class ShardSample(_Strict):
    """Where the members of one sample lie in their tar."""

    key: str
    digest: str = Field(description="of the configuration, the record, and its inputs' sizes")
    members: dict[str, tuple[int, int]] = Field(description="ending of the member → (offset, size) of its bytes")


class ShardIndex(_Strict):
    """`<shard>.index.json`: written after its tar; while it is missing, the shard is not done."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="the plan's")
    digest: str = Field(description="the planned shard's: says that the shard is done as planned")
    name: str
    split: Split
    bytes: int = Field(ge=0)
    sha256: str
    samples: tuple[ShardSample, ...]
    rejects: tuple[Reject, ...]
    repaired: dict[str, int] = Field(
        alias=REPAIRED_KEY, description="code of a repaired fault → number of samples that had it"
    )


class ShardEntry(_Strict):
    """A shard in the manifest."""

    name: str
    split: Split
    samples: int = Field(ge=0)
    rejects: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class Manifest(_Strict):
    """`manifest.json`: written last; where it exists, the folder is complete."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    schema_version: Literal[1] = 1
    fingerprint: str
    configuration: Configuration
    records: int = Field(ge=0)
    samples: int = Field(ge=0)
    rejects: int = Field(ge=0)
    rejects_by_reason: dict[str, int]
    repaired: dict[str, int] = Field(alias=REPAIRED_KEY)
    samples_by_split: dict[str, int]
    shards: tuple[ShardEntry, ...]
