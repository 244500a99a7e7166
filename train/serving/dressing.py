"""From a choice on the page to images, as `trainer sample` does for one pair."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from schemas import PERSON_256, Garment
from train.data.shards import Pixels
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage
from train.inference.dress import dress
from train.inference.pasting.matching_crop import Placed
from train.inference.pasting.source_images import SourceImages
from train.inference.pasting.whole import find_original, with_result
from train.inference.sampling import Conditioning, Role, make_outfit, png_text, provenance, read_conditioning
from train.serving.catalogue import Catalogue
from train.serving.jobs import Photograph, Result
from train.serving.overlays import garment_overlay, jpeg, person_overlay
from train.serving.uploads import UploadedPhotographs


@dataclass(frozen=True)
class DressingRequest:
    """A person and a garment, each a position in the catalogue or an uploaded photograph's bytes."""

    kind: Garment
    person: int | bytes
    garment: int | bytes
    seed: int


@dataclass(frozen=True)
class Dressing:
    """A cascade with its sources of people and garments."""

    stages: Sequence[TrainedStage]
    catalogue: Catalogue
    photographs: UploadedPhotographs
    overrides: Overrides
    device: torch.device
    source: SourceImages | None = None
    """Finds the photographs of the catalogue's people; without it only uploaded ones are dressed whole."""

    @property
    def sizes(self) -> dict[str, int]:
        """Each stage's image size in pixels, from the base stage on."""
        return {stage.config.stage: stage.config.size for stage in self.stages}

    def dress(self, choice: DressingRequest, on_step: OnStep) -> Result:
        """Sample the images, bit-identical to `trainer sample` for the same pair and seed.

        The whole photograph is made too if it is available. ``on_step`` is called before every sampling step. Raise
        UserError for a photograph that cannot be used.
        """
        outfit = make_outfit(
            self._conditioning("person", choice.kind, choice.person),
            self._conditioning("garment", choice.kind, choice.garment),
        )
        placed = self._placed(choice)
        (images,) = dress(
            self.stages, [outfit], seed=choice.seed, overrides=self.overrides, device=self.device, on_step=on_step
        )
        shards = self.catalogue.shards
        named = {"person": self._name(choice.person), "garment": self._name(choice.garment)}
        metadata = named | provenance(self.stages, shards, choice.seed, self.overrides)
        encoded: dict[str, bytes] = {}
        for stage, picture in zip(self.sizes, images, strict=True):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG", pnginfo=png_text(metadata))
            encoded[stage] = buffer.getvalue()
        before = {"square": jpeg(self._square(choice))}
        if placed is None:
            return Result(encoded, metadata, comparisons=before)
        whole = with_result(placed, outfit.Ia, outfit.Jp, images[-1], outfit.Jg)
        before["whole"] = jpeg(placed.original.turned(-placed.quarters).seen)
        return Result(encoded, metadata, Photograph(whole.png(png_text(metadata)), whole.size), before)

    def understand(self, role: Role, kind: Garment | None, data: bytes, on_step: OnStep) -> Result:
        """Return overlays of what is estimated of a photograph: `regions` by the estimators, `shown` in the shards.

        The result includes the kind of garment. ``on_step`` is called while `prep` works. Raise UserError for a
        photograph that cannot be used.
        """
        estimated = self.photographs.estimated(role, kind, data, lambda: on_step(0, 1))
        image, pose, _ = estimated.conditioning
        drawn = person_overlay(estimated.person_256, image, pose) if role == "person" else garment_overlay(image, pose)
        seen = {"regions": estimated.preview} if estimated.preview else {}
        return Result({}, {"kind": estimated.kind}, comparisons={"shown": jpeg(drawn), **seen})

    def _square(self, choice: DressingRequest) -> Pixels:
        """Return the person as the crop shows them, 256²."""
        if isinstance(choice.person, int):
            return self.catalogue.shards.image(choice.person, PERSON_256)
        return self.photographs.estimated("person", choice.kind, choice.person).person_256

    def _placed(self, choice: DressingRequest) -> Placed | None:
        if not isinstance(choice.person, int):
            return self.photographs.placed(choice.kind, choice.person)
        return None if self.source is None else find_original(self.source, self.catalogue.shards, choice.person)

    def _conditioning(self, role: Role, kind: Garment, chosen: int | bytes) -> Conditioning:
        if isinstance(chosen, int):
            return read_conditioning(self.catalogue.shards, role, chosen)
        return self.photographs.conditioning(role, kind, chosen)

    def _name(self, chosen: int | bytes) -> str:
        if isinstance(chosen, int):
            return self.catalogue.shards.keys[chosen]
        return f"photograph {hashlib.sha256(chosen).hexdigest()[:12]}"
