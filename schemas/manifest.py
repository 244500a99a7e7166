"""The files beside the tars: plan, index of each shard, rejects, manifest."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from schemas.members import Extra, ImageFormat
from schemas.sample import CONDITIONING_SIZE, REPAIRED_KEY, Garment, Key, Pairing, Source, Split, Strict

PLAN = "plan.json"
MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
NEAR_DUPLICATES = "twins.json"
INDEX_SUFFIX = ".index.json"

ShardName = Annotated[str, Field(pattern=r"^[a-z]+-[0-9]{6}\.tar$")]
"""The name of a tar, which lies in the folder of the manifest."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Views = Literal["front", "matching", "all"]
"""Which views are paired: front views only; views of the same or a neighbouring side; all."""


class Later(Strict):
    """Base of models that have got fields later: one that has its default is not written.

    So files, and the digests made of them, stay as they were before there was such a field.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {
            name: value
            for name, value in document.items()
            if name not in self.later or getattr(self, name) != fields[name].default
        }


class Filters(Strict):
    """Limits beyond which a record is rejected; null for none."""

    min_size: int | None = Field(default=None, gt=0, description="shorter side of either image, pixels")
    max_aspect: float | None = Field(default=None, ge=1, description="longer by shorter side of either image")
    min_sharpness: float | None = Field(
        default=None, gt=0, description="mean square of the Laplacian of the person's crop at 256 px, grey levels"
    )
    min_light: float | None = Field(default=None, ge=0, le=255, description="mean grey level of the person's crop")
    max_light: float | None = Field(default=None, ge=0, le=255, description="mean grey level of the person's crop")
    min_colour: float | None = Field(
        default=None, gt=0, description="mean difference between a pixel's largest and smallest channel, levels"
    )
    min_person: int | None = Field(default=None, gt=0, description="side of the person's crop, pixels")
    min_confidence: float | None = Field(
        default=None, gt=0, le=1, description="mean over head, arms and hips of 1 sure, 0.5 unsure, 0 absent"
    )


class Configuration(Later):
    """Every option that, together with the inputs, determines the bytes of the shards."""

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "garment_size", "image_format", "extras", "filters", "distinct", "limit", "sample_rate",
            "samples_per_shard", "sources", "where",
        }
    )  # fmt: skip

    source: Source
    garment: Garment | Literal["all"]
    pairing: Pairing | Literal["both"]
    views: Views
    linings: bool = Field(description="whether Ic shows a product's inside and far side (`*_hidden`)")
    target_size: int = Field(gt=0, description="pixels")
    conditioning_size: int = Field(gt=0, description="pixels")
    jpeg_quality: int = Field(ge=1, le=100)
    labels: str | None = Field(
        default=None, description="label table of the people's label maps; null if their parses name their regions"
    )
    garment_size: int = Field(default=CONDITIONING_SIZE, gt=0, description="side of Ic, pixels")
    image_format: ImageFormat = Field(default="jpg", description="format of the person's images")
    extras: tuple[Extra, ...] = Field(default=(), description="optional members that each sample has")
    filters: Filters | None = None
    distinct: bool = Field(default=False, description="whether of near-duplicates within a split one was kept")
    limit: int | None = Field(default=None, gt=0, description="maximum number of records, drawn from all")
    sample_rate: float | None = Field(default=None, gt=0, le=1, description="share of the records that was drawn")
    samples_per_shard: int | None = Field(default=None, gt=0, description="records of a shard; null: by their number")
    sources: tuple[Source, ...] = Field(default=(), description="all kinds of datasets, if it was merged from several")
    where: tuple[str, ...] = Field(default=(), description="conditions by which `prep subset` selected the samples")


class PlannedShard(Strict):
    """One shard as planned; each of its records becomes a sample or a reject."""

    name: ShardName
    split: Split
    records: int = Field(gt=0)
    digest: str = Field(
        description="sha256 of configuration and libraries, the shard's records in order and the sizes of their inputs"
    )


class Plan(Later):
    """`plan.json`: written before the first shard; a folder never holds two plans."""

    later: ClassVar[frozenset[str]] = frozenset({"extended_from"})

    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="sha256 of the shards' names and digests")
    configuration: Configuration
    libraries: dict[str, str] = Field(
        default={}, description="library that decides bytes → version; a folder never mixes two"
    )
    records: int = Field(ge=0, description="number of input records: pairs found in the dataset")
    moved: int = Field(ge=0, description="records of the dataset's `val` that are moved to `train` to avoid leakage")
    extended_from: int | None = Field(
        default=None, ge=0, description="number of shards before the last `prep extend`; null if there was none"
    )
    shards: tuple[PlannedShard, ...]


class NearDuplicates(Later):
    """`twins.json`: near-duplicate images across the dataset's `val` and `train`, found by comparing decoded pixels."""

    later: ClassVar[frozenset[str]] = frozenset({"within"})

    schema_version: Literal[1] = 1
    inputs: str = Field(description="sha256 of the names and sizes of the images that were compared")
    pairs: tuple[tuple[str, str], ...] = Field(
        description="paths of an image in `val` and of its near-duplicate in `train`"
    )
    within: tuple[tuple[str, str], ...] | None = Field(
        default=None, description="paths of an image and of an earlier near-duplicate in its split; null: not compared"
    )


class Reject(Strict):
    """One line of `rejects.jsonl`: a record that did not become a sample."""

    key: Key
    reason: str = Field(description="code of the fault")
    path: str = Field(description="the faulty file, relative to the dataset's folder")
    detail: str = Field(description="what is wrong and how to repair it")


class ShardSample(Strict):
    """Where the members of one sample are in their tar."""

    key: Key
    digest: str = Field(description="hash of configuration and libraries, the record and the sizes of its inputs")
    content: str = Field(default="", description="hash of the bytes of its inputs; empty if it is not known")
    members: dict[str, tuple[int, int]] = Field(
        description="member's extension → (offset, size) of its data in the tar, in bytes"
    )


class ShardIndex(Strict):
    """`<shard>.index.json`: written after its tar; without it the shard counts as not done."""

    schema_version: Literal[1] = 1
    fingerprint: str = Field(description="fingerprint of the plan")
    digest: str = Field(description="digest of the planned shard; if they agree, the shard was built as planned")
    name: ShardName
    split: Split
    bytes: int = Field(ge=0)
    sha256: Sha256
    samples: tuple[ShardSample, ...]
    rejects: tuple[Reject, ...]
    repaired: dict[str, int] = Field(
        alias=REPAIRED_KEY, description="code of a repaired fault → number of samples that had it"
    )


class ShardEntry(Strict):
    """One shard's entry in the manifest."""

    name: ShardName
    split: Split
    samples: int = Field(ge=0)
    rejects: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: Sha256


class Manifest(Strict):
    """`manifest.json`: written last; where it exists, the folder is complete."""

    schema_version: Literal[1] = 1
    fingerprint: str
    configuration: Configuration
    libraries: dict[str, str] = Field(default={}, description="as in the plan")
    records: int = Field(ge=0)
    samples: int = Field(ge=0)
    rejects: int = Field(ge=0)
    rejects_by_reason: dict[str, int]
    repaired: dict[str, int] = Field(alias=REPAIRED_KEY)
    samples_by_split: dict[str, int]
    shards: tuple[ShardEntry, ...]
