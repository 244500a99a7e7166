"""One sample: the tuple (Ia, Jp, Ic, Jg), its target Ip, and its provenance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
"""Incremented with every change that an older reader would misread."""

CONDITIONING_SIZE = 256
"""Side of Ia, Ic and the small Ip, in pixels: the largest input of the two Parallel-UNets."""

TARGET_SIZE = 1024
"""Side of the large Ip, in pixels: the training target of the Efficient-UNet."""

MID_GREY = 127
"""Fill of Ia and background of Ic; next to 0 once pixels are scaled to [-1, 1] (TryOnDiffusion, figure 2)."""

PERSON = "person.jpg"
PERSON_256 = "person_256.jpg"
AGNOSTIC = "agnostic.png"
GARMENT = "garment.png"
JP = "jp.npy"
JG = "jg.npy"
META = "json"

MEMBERS: tuple[str, ...] = (PERSON_256, AGNOSTIC, GARMENT, JP, JG, META, PERSON)
"""Extensions of a sample's members, in the order of the tar; the largest member is last."""

LONGEST_KEY = 85
"""Characters of a key: the name of a tar's member is the key and an ending, and has 100 bytes."""

KEY_PATTERN = rf"^[A-Za-z0-9_-]{{1,{LONGEST_KEY}}}$"
"""What a sample's key may be: it becomes the name of files, and must not lead into another folder."""

Key = Annotated[str, Field(pattern=KEY_PATTERN)]

Split = Literal["train", "val"]
Garment = Literal["upper", "lower", "dress"]
View = Literal["front", "back", "side"]
Pairing = Literal["item", "view"]
Source = Literal["aihub", "viton-hd", "dress-code", "table"]
Origin = Literal["annotated", "derived", "estimated"]


class Strict(BaseModel):
    """Base of the contract's models: unknown keys are refused; fields with another name on disk take either name."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Crop(Strict):
    """The square that was cropped from a source image; it may extend beyond the image's edges."""

    x: int = Field(description="left edge in pixels of the upright source image")
    y: int = Field(description="top edge in pixels of the upright source image")
    side: int = Field(gt=0, description="side in pixels of the upright source image")


class SourceImage(Strict):
    """A source image, made upright (EXIF, then a quarter turn if the labels require it), and its crop."""

    path: str = Field(description="relative to the dataset's folder, '/' as separator")
    width: int = Field(gt=0, description="pixels, upright")
    height: int = Field(gt=0, description="pixels, upright")
    crop: Crop

    @property
    def photo_box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the image inside the crop, in [0, 1] of the crop.

        Beyond them the pixels of a sample are mid-grey.
        """
        crop = self.crop
        left, top = max(0, -crop.x) / crop.side, max(0, -crop.y) / crop.side
        right, bottom = min(crop.side, self.width - crop.x), min(crop.side, self.height - crop.y)
        return left, top, right / crop.side, bottom / crop.side


class Annotation(Strict):
    """Where a pose or a parse came from."""

    path: str = Field(description="relative to the dataset's folder, '/' as separator")
    origin: Origin = Field(
        description="read from the dataset, derived from another annotation by a rule, or estimated by a network"
    )


REPAIRED_KEY = "mended"
"""JSON key of the field `repaired` in samples, indices and manifests.

The key is the old word for it: shards that exist hold it, and a new key would change their bytes.
"""


class Sample(Strict):
    """The `json` member of a sample."""

    schema_version: Literal[1] = 1
    key: Key = Field(description="name of the sample in its tar; contains no dot")
    source: Source = Field(description="the kind of dataset")
    split: Split = Field(description="split of the shard; the dataset's own split, unless that would leak")
    garment: Garment = Field(description="the part of the body that the garment is worn on")
    view: View = Field(description="the side of the person that faces the camera")
    pairing: Pairing = Field(description="item: product photograph → person; view: another frame of the look → person")
    look: str = Field(description="id of the person in these clothes, shared by all frames of one look")
    frame: str = Field(description="id of this image among the look's frames")
    item: str = Field(description="id of the garment, with _F or _B for the side that a product photograph shows")
    person: SourceImage
    product: SourceImage = Field(description="the image that the garment is cut out of")
    person_pose: Annotation
    person_parse: Annotation
    product_pose: Annotation
    product_parse: Annotation
    worn: bool = Field(
        default=True,
        exclude_if=bool,
        description="whether the person's image shows this garment; if not, the sample is for inference alone: it has "
        "no target, and person.jpg shows the person's own clothes",
    )
    repaired: tuple[str, ...] = Field(
        alias=REPAIRED_KEY, description="codes of the faults in the source files that were repaired while building"
    )
