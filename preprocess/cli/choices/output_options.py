"""Options for what the samples hold, which records become samples, and which are rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import click

from common.errors import UserError
from common.options import options_of
from schemas import EXTRAS, TARGET_SIZE, Extra, Filters, ImageFormat

_QUALITY = 95
_GARMENT_SIZES = (256, 512)
_TARGET_SIZES = (512, 768, TARGET_SIZE)


@dataclass(frozen=True)
class SampleChoice:
    """What the samples hold, and how many records are drawn."""

    target_size: str
    garment_size: str
    quality: int
    image_format: ImageFormat
    extra: tuple[Extra, ...]
    limit: int | None
    sample_rate: float | None
    samples_per_shard: int | None

    def fields(self) -> dict[str, Any]:
        """Return the fields of the configuration."""
        return {
            "target_size": int(self.target_size),
            "garment_size": int(self.garment_size),
            "jpeg_quality": self.quality,
            "image_format": self.image_format,
            "extras": tuple(extra for extra in EXTRAS if extra in self.extra),
            "limit": self.limit,
            "sample_rate": self.sample_rate,
            "samples_per_shard": self.samples_per_shard,
        }


@dataclass(frozen=True)
class FilterChoice:
    """Limits beyond which records are rejected, and whether near-duplicates are excluded."""

    min_size: int | None
    max_aspect: float | None
    min_sharpness: float | None
    min_light: float | None
    max_light: float | None
    min_colour: float | None
    min_person: int | None
    min_confidence: float | None
    distinct: bool

    def fields(self) -> dict[str, Any]:
        """Return the fields of the configuration. Raise UserError for limits that leave nothing."""
        if self.min_light is not None and self.max_light is not None and self.min_light > self.max_light:
            raise UserError(f"--min-light {self.min_light:g} --max-light {self.max_light:g}: no image is between them")
        limits = {name: getattr(self, name) for name in Filters.model_fields}
        filters = Filters(**limits) if any(limit is not None for limit in limits.values()) else None
        return {"filters": filters, "distinct": self.distinct}


def _limit(name: str, kind: click.ParamType[Any], text: str) -> Any:
    return click.option(name, type=kind, default=None, help=text)


SAMPLES = options_of(
    SampleChoice,
    "samples",
    click.option(
        "--target-size", type=click.Choice([str(size) for size in _TARGET_SIZES]), default=str(TARGET_SIZE),
        show_default=True, help="Side of the large image of the person, pixels.",
    ),
    click.option(
        "--garment-size", type=click.Choice([str(size) for size in _GARMENT_SIZES]), default="256", show_default=True,
        help="Side of the garment's image, pixels.",
    ),
    click.option(
        "--quality", type=click.IntRange(1, 100), default=_QUALITY, show_default=True,
        help="Quality of the person's images, as JPEG or WebP.",
    ),
    click.option(
        "--image-format", type=click.Choice(get_args(ImageFormat)), default="jpg", show_default=True,
        help="Format of the person's images.",
    ),
    click.option(
        "--extra", type=click.Choice(EXTRAS), multiple=True,
        help="Add an optional member: the regions, what Ia hides, or where the garment is on the person; repeatable.",
    ),
    _limit("--limit", click.IntRange(min=1), "Draw at most so many pairs, evenly from all."),
    _limit("--sample-rate", click.FloatRange(0, 1, min_open=True), "Draw this share of the pairs."),
    _limit("--samples-per-shard", click.IntRange(1, 1_000_000), "Pairs of a shard.  [default: by their number]"),
)  # fmt: skip
FILTERS = options_of(
    FilterChoice,
    "filters",
    _limit("--min-size", click.IntRange(min=1), "Reject images with a shorter side below this, pixels."),
    _limit("--max-aspect", click.FloatRange(min=1), "Reject images this many times longer than wide, or wider."),
    _limit("--min-person", click.IntRange(min=1), "Reject people whose crop has a side below this, pixels."),
    _limit("--min-sharpness", click.FloatRange(0, min_open=True), "Reject blurred people (sharpness, see the docs)."),
    _limit("--min-light", click.FloatRange(0, 255), "Reject people whose crop is darker (mean grey level)."),
    _limit("--max-light", click.FloatRange(0, 255), "Reject people whose crop is lighter (mean grey level)."),
    _limit("--min-colour", click.FloatRange(0, min_open=True), "Reject people whose crop has less colour (levels)."),
    _limit("--min-confidence", click.FloatRange(0, 1, min_open=True), "Reject people whose pose is less sure."),
    click.option("--distinct", is_flag=True, help="Of pairs that are near-duplicates within a split, keep one."),
)
