"""The members that a sample has by its folder's configuration: their names in the tar, in order, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from schemas.sample import AGNOSTIC, CONDITIONING_SIZE, GARMENT, MEMBERS, PERSON, PERSON_256, TARGET_SIZE

if TYPE_CHECKING:
    from schemas.manifest import Configuration

ImageFormat = Literal["jpg", "webp", "png"]
"""Format of the person's images; Ia and Ic are PNG always, as their mid-grey must be exact."""

Extra = Literal["regions", "hidden", "worn"]

EXTRAS: tuple[Extra, ...] = get_args(Extra)

EXTRA_MEMBERS: Mapping[Extra, str] = {extra: f"{extra}.png" for extra in EXTRAS}
"""Optional members, grey PNG of the size of Ia: `regions` has the numbers of REGIONS; in `hidden` 255 is what Ia hides
of the photograph, in `worn` what shows the garment on the person, else 0."""

REGIONS: tuple[str, ...] = (
    "background", "other", "hair", "hat", "neck", "left_leg", "right_leg", "socks", "left_shoe", "right_shoe",
    "pants_hip", "pants_lsleeve", "pants_rsleeve", "skirt", "dress_lsleeve", "dress_rsleeve", "dress_torso",
    "inner_lsleeve", "inner_rsleeve", "inner_torso", "outer_lsleeve", "outer_rsleeve", "outer_torso", "left_arm",
    "right_arm", "face",
)  # fmt: skip
"""Region of each number in `regions.png`, whatever the dataset's own label table; left and right are the wearer's."""


def stored_name(member: str, image_format: ImageFormat) -> str:
    """Return the name in the tar of one of MEMBERS: the person's images end as their format."""
    return f"{member.removesuffix('jpg')}{image_format}" if member in (PERSON, PERSON_256) else member


@dataclass(frozen=True)
class MemberLayout:
    """What a folder's samples consist of."""

    image_format: ImageFormat = "jpg"
    target_size: int = TARGET_SIZE
    conditioning_size: int = CONDITIONING_SIZE
    garment_size: int = CONDITIONING_SIZE
    extras: tuple[Extra, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the members in the order of the tar: optional ones first, as no stage reads them."""
        return (*self.optional, *(stored_name(member, self.image_format) for member in MEMBERS))

    @cached_property
    def optional(self) -> tuple[str, ...]:
        """Names of the optional members."""
        return tuple(EXTRA_MEMBERS[extra] for extra in EXTRAS if extra in self.extras)

    @cached_property
    def usual(self) -> dict[str, str]:
        """Name in the tar → the one of MEMBERS, by which readers know it; an optional member keeps its name."""
        return {
            **{name: name for name in self.optional},
            **{stored_name(member, self.image_format): member for member in MEMBERS},
        }

    @cached_property
    def sides(self) -> dict[str, int]:
        """Usual name of each image → its side in pixels."""
        small = self.conditioning_size
        sides = {PERSON: self.target_size, PERSON_256: small, AGNOSTIC: small, GARMENT: self.garment_size}
        return {**sides, **dict.fromkeys(self.optional, small)}


def layout_of(configuration: Configuration) -> MemberLayout:
    """Return the layout of samples that are built with a configuration."""
    return MemberLayout(
        configuration.image_format,
        configuration.target_size,
        configuration.conditioning_size,
        configuration.garment_size,
        configuration.extras,
    )
